"""An examination of the masking of personal data, written without a look at what finds them.

    python bench/pii_unseen.py [--misses N] [--json FILE]

Templates in eight languages are filled with values that have right check digits, in the groupings, separators and widths in which people write
them; names are invented. A planted value counts as found when no five letters or digits of it in a row are left in the text. Hard negatives are
texts with numbers of other kinds: one counts as masked when its text changed at all. Prints recall by kind and the share of negatives masked.
"""

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapt.corpus.draft import Draft
from adapt.corpus.pii.guard import Guard
from adapt.spec.pii import Pii

WINDOW = 5
FULL_WIDTH = str.maketrans("0123456789-", "０１２３４５６７８９－")


@dataclass(frozen=True)
class Planted:
    """A text with one value that must go."""

    kind: str
    text: str
    value: str


def main() -> None:
    """Mask all texts, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--misses", type=int, default=20, help="how many misses to show")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    rng = random.Random(20261201)
    planted, negatives = list(plant(rng)), list(negate(rng))
    found: defaultdict[str, list[bool]] = defaultdict(list)
    misses = []
    for item, output in zip(planted, mask([item.text for item in planted]), strict=True):
        hit = output is None or not is_readable(item.value, output)
        found[item.kind].append(hit)
        misses += [] if hit else [item]
    changed = [text for text, output in zip(negatives, mask(negatives), strict=True) if output != text]
    figures = {kind: {"planted": len(hits), "recall": round(sum(hits) / len(hits), 4)} for kind, hits in found.items()}
    hits = [hit for each in found.values() for hit in each]
    print("| kind | planted | recall |\n| --- | ---: | ---: |")
    for kind, row in figures.items():
        print(f"| {kind} | {row['planted']} | {row['recall']:.2f} |")
    print(f"| all | {len(hits)} | {sum(hits) / len(hits):.3f} |\n")
    print(f"hard negatives: {len(changed)} of {len(negatives)} masked ({len(changed) / len(negatives):.1%})")
    for item in misses[: options.misses]:
        print(f"  missed {item.kind}: {item.text!r}")
    for text in changed[: options.misses]:
        print(f"  masked: {text!r}")
    if options.json:
        summary = {"kinds": figures, "recall": sum(hits) / len(hits), "negatives": len(negatives), "masked": len(changed)}
        options.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def mask(texts: list[str]) -> list[str | None]:
    """What the product makes of each text with its defaults; None where it refuses it."""
    drafts = [Draft("unseen.jsonl", f"line {number}", "question", instruction="?", output=text) for number, text in enumerate(texts, 1)]
    return [getattr(safe, "output", None) for safe in Guard(Pii()).protect_all(drafts)]


def is_readable(value: str, text: str) -> bool:
    """Whether five letters or digits of a value stand in the text, separators aside."""
    inner, outer = squeeze(value), squeeze(text)
    return any(inner[at : at + WINDOW] in outer for at in range(max(1, len(inner) - WINDOW + 1)))


def squeeze(text: str) -> str:
    """Letters and digits alone."""
    return "".join(character for character in text.casefold() if character.isalnum())


def digits(rng: random.Random, count: int) -> str:
    """So many digits."""
    return "".join(rng.choice("0123456789") for _ in range(count))


def group(text: str, sizes: tuple[int, ...], separator: str) -> str:
    """The text in groups of these sizes."""
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return separator.join(parts)


def resident_number(rng: random.Random, region: str = "") -> str:
    """18 digits of GB 11643-1999, with its check digit."""
    body = region or rng.choice(["110105", "310104", "440305", "330106", "510107"])
    body += f"{rng.randint(1950, 2004)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{digits(rng, 3)}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11]


def card_number(rng: random.Random, length: int, prefix: str) -> str:
    """A card number with the check digit of Luhn."""
    body = prefix + digits(rng, length - 1 - len(prefix))
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(body)))
    return body + str(-total % 10)


def hong_kong_number(rng: random.Random) -> str:
    """A letter, six digits and the check digit in brackets."""
    letter, body = rng.choice("ABCDEGHKMPRYZ"), digits(rng, 6)
    total = 9 * 36 + 8 * (ord(letter) - 55) + sum(int(digit) * weight for digit, weight in zip(body, range(7, 1, -1), strict=True))
    return f"{letter}{body}({'0123456789A'[-total % 11]})"


def taiwan_number(rng: random.Random) -> str:
    """A letter, 1 or 2, seven digits and the check digit."""
    codes = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36), strict=True))
    letter = rng.choice(list(codes))
    body = rng.choice("12") + digits(rng, 7)
    first, second = divmod(codes[letter], 10)
    total = first + 9 * second + sum(int(digit) * weight for digit, weight in zip(body, range(8, 0, -1), strict=True))
    return f"{letter}{body}{-total % 10}"


def iban(rng: random.Random, country: str, bank: str) -> str:
    """An account number with the check digits of ISO 13616."""
    number = int("".join(str(int(character, 36)) for character in bank + country + "00"))
    return f"{country}{98 - number % 97:02}{bank}"


def plant(rng: random.Random) -> Iterator[Planted]:
    """All texts with a value."""
    for kind, (templates, makers) in kinds(rng).items():
        for place, make in enumerate(makers):
            for turn in range(3):
                value = make()
                yield Planted(kind, templates[(place + turn) % len(templates)].replace("@@", value), value)


Maker = Callable[[], str]


def kinds(rng: random.Random) -> dict[str, tuple[list[str], list[Maker]]]:
    """Templates and makers of values, by kind."""

    def mobile() -> str:
        return rng.choice(["138", "159", "177", "186", "199", "135"]) + digits(rng, 8)

    def grouped(sizes: tuple[int, ...], separator: str, prefix: str = "") -> Maker:
        return lambda: prefix + group(mobile(), sizes, separator)

    def split_id(sizes: tuple[int, ...], separator: str) -> Maker:
        return lambda: group(resident_number(rng), sizes, separator)

    def german() -> str:
        return digits(rng, 7).replace("0", "3")

    zh = ["请拨打@@联系王女士。", "收件人李雷，手机@@，放门卫处。", "我的号码是 @@ ，微信同号", "（联系电话：@@）", "本人赵六，@@，特此声明。"]
    ids = ["身份证号：@@", "被告张三，公民身份号码@@，住北京。", "证件号码为@@，请核对。", "姓名 李四 身份证 @@ 已实名"]
    return {
        "chinese mobile": (
            zh,
            [
                grouped((3, 4, 4), " "),
                grouped((3, 4, 4), "-"),
                grouped((3, 4, 4), "."),
                grouped((3, 3, 5), " "),
                grouped((3, 3, 5), "-"),
                grouped((1,) * 11, " "),
                grouped((3, 4, 4), "–"),
                grouped((3, 4, 4), "—"),
                grouped((3, 4, 4), "\u3000"),
                grouped((11,), "", "+86"),
                grouped((3, 4, 4), " ", "+86 "),
                grouped((3, 4, 4), "-", "0086-"),
                grouped((11,), "", "（86）"),
                lambda: mobile().translate(FULL_WIDTH),
                lambda: group(mobile(), (3, 4, 4), "-").translate(FULL_WIDTH),
                grouped((4, 4, 3), " "),
                grouped((3, 4, 4), "\n"),
                grouped((11,), ""),
            ],
        ),
        "chinese landline": (
            ["座机@@，工作日接听。", "电话：@@", "传真 @@ 转人事部"],
            [
                lambda: f"010-6{digits(rng, 7)}",
                lambda: f"（021）5{digits(rng, 7)}",
                lambda: f"0755—8{digits(rng, 7)}",
                lambda: f"0571 8{digits(rng, 7)}",
                lambda: f"020-3{digits(rng, 7)}转8{digits(rng, 3)}",
                lambda: f"(0512) 6{digits(rng, 3)}-{digits(rng, 4)}",
                lambda: f"025－8{digits(rng, 7)}",
                lambda: f"+86 10 6{digits(rng, 3)} {digits(rng, 4)}",
            ],
        ),
        "chinese identity number": (
            ids,
            [
                split_id((18,), ""),
                split_id((6, 8, 4), " "),
                split_id((6, 8, 4), "-"),
                split_id((6, 4, 4, 4), " "),
                split_id((3, 3, 4, 4, 4), " "),
                split_id((6, 12), "\n"),
                lambda: resident_number(rng).replace("X", "x"),
                lambda: resident_number(rng).replace("X", "×"),
                lambda: resident_number(rng).translate(FULL_WIDTH),
                split_id((1,) * 18, " "),
                split_id((6, 8, 3, 1), "."),
                split_id((10, 8), "\n  "),
            ],
        ),
        "old identity number": (
            ["身份证号码：@@（旧证）", "原身份证 @@"],
            [lambda: "110105" + f"{rng.randint(50, 89)}0{rng.randint(1, 9)}1{rng.randint(0, 9)}" + digits(rng, 3)] * 4,
        ),
        "residence permit": (
            ["港澳台居民居住证@@", "居住证号码：@@"],
            [lambda: resident_number(rng, "810000"), lambda: resident_number(rng, "830000")] * 2,
        ),
        "bank card": (
            ["卡号@@，开户行工行。", "Please charge card @@ today.", "请汇至 @@ 张三"],
            [
                lambda: card_number(rng, 16, "4"),
                lambda: group(card_number(rng, 16, "52"), (4, 4, 4, 4), " "),
                lambda: group(card_number(rng, 19, "622202"), (4, 4, 4, 4, 3), " "),
                lambda: group(card_number(rng, 16, "4"), (4, 4, 4, 4), "-"),
                lambda: card_number(rng, 19, "6228"),
                lambda: group(card_number(rng, 19, "621700"), (6, 13), " "),
            ],
        ),
        "travel permit": (
            ["港澳居民来往内地通行证号码@@", "回乡证：@@", "通行证 @@，有效期至2030年"],
            [
                lambda: rng.choice("HM") + digits(rng, 8),
                lambda: rng.choice("HM") + digits(rng, 10),
            ]
            * 2,
        ),
        "hong kong and taiwan identity": (
            ["香港身份证@@，陈先生", "HKID: @@", "身分證字號：@@"],
            [
                lambda: hong_kong_number(rng),
                lambda: hong_kong_number(rng),
                lambda: taiwan_number(rng),
                lambda: taiwan_number(rng),
            ],
        ),
        "plate": (
            ["车牌@@的白色轿车", "肇事车辆号牌为@@。", "请@@车主挪车"],
            [
                lambda: f"京A·{digits(rng, 3)}{rng.choice('KLMN')}{digits(rng, 1)}",
                lambda: f"粤B{rng.choice('DF')}{digits(rng, 5)}",
                lambda: f"沪C{digits(rng, 5)}",
                lambda: f"苏E{rng.choice('ABH')}{digits(rng, 4)}",
                lambda: f"浙A {digits(rng, 5)}",
            ],
        ),
        "chinese address": (
            ["住址：@@", "寄到@@，王五收", "户籍地为@@。"],
            [
                lambda: f"浙江省杭州市西湖区文三路{rng.randint(10, 999)}号{rng.randint(2, 9)}幢{rng.randint(101, 999)}室",
                lambda: f"北京市朝阳区望京西园{rng.randint(1, 4)}区{rng.randint(100, 400)}号楼{rng.randint(1, 5)}单元{rng.randint(101, 999)}",
                lambda: f"广东省深圳市南山区科技南路{rng.randint(10, 99)}号{rng.randint(101, 999)}房",
                lambda: f"四川省成都市武侯区人民南路四段{rng.randint(10, 99)}号",
            ],
        ),
        "e-mail": (
            ["Write to @@ for the form.", "邮箱是@@，谢谢", "Schreiben Sie an @@.", "contact (@@)"],
            [
                lambda: f"mia.{digits(rng, 3)}@example.co.uk",
                lambda: f"jörg{digits(rng, 2)}@bücher.example",
                lambda: f"li_{digits(rng, 4)}@例子.公司",
                lambda: f"anna+{digits(rng, 3)}@mail.example.org",
                lambda: f"иван{digits(rng, 3)}@пример.рф",
                lambda: f"o'neil{digits(rng, 3)}@example.com",
            ],
        ),
        "e-mail in an address": (
            ["See https://shop.test/u?m=@@&p=1", "unsubscribe: http://list.test/@@/off"],
            [lambda: f"eva.{digits(rng, 4)}%40example.com"] * 3,
        ),
        "german phone": (
            ["Rufen Sie mich unter @@ an.", "Tel.: @@ (privat)", "Meine Nummer: @@"],
            [
                lambda: f"030 {german()}",
                lambda: f"0171/{german()}",
                lambda: f"+49 (0)40 {german()}",
                lambda: f"0049 89 {german()}",
                lambda: f"(0221) {german()}",
            ],
        ),
        "french phone": (
            ["Appelez-moi au @@ ce soir.", "Tél. : @@", "Mon numéro est le @@."],
            [
                lambda: "06 " + group(digits(rng, 8), (2, 2, 2, 2), " "),
                lambda: "01." + group(digits(rng, 8).replace("0", "4"), (2, 2, 2, 2), "."),
                lambda: "+33 6 " + group(digits(rng, 8), (2, 2, 2, 2), " "),
                lambda: "07-" + group("5" + digits(rng, 7), (2, 2, 2, 2), "-"),
            ],
        ),
        "japanese phone": (
            ["携帯は@@です。", "電話番号：@@", "連絡先 @@（夜間）"],
            [
                lambda: f"090-{digits(rng, 4)}-{digits(rng, 4)}",
                lambda: f"03（3{digits(rng, 3)}）{digits(rng, 4)}",
                lambda: f"080{digits(rng, 8)}",
                lambda: f"０６－６{digits(rng, 3)}－{digits(rng, 4)}".translate(FULL_WIDTH),
            ],
        ),
        "taiwanese phone": (
            ["請撥打@@找陳小姐。", "手機：@@", "電話 @@ 分機 12"],
            [
                lambda: f"0912-{digits(rng, 3)}-{digits(rng, 3)}",
                lambda: f"(02) 2{digits(rng, 3)}-{digits(rng, 4)}",
                lambda: f"+886 9{digits(rng, 2)} {digits(rng, 3)} {digits(rng, 3)}",
            ],
        ),
        "russian phone": (
            ["Звоните мне по номеру @@.", "Тел.: @@", "Мой телефон @@, Анна"],
            [
                lambda: f"8 (495) {digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 2)}",
                lambda: f"+7 912 {digits(rng, 3)} {digits(rng, 2)} {digits(rng, 2)}",
                lambda: f"8-903-{digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 2)}",
            ],
        ),
        "korean phone": (
            ["제 번호는 @@ 입니다.", "연락처: @@"],
            [lambda: f"010-{digits(rng, 4)}-{digits(rng, 4)}", lambda: f"010 {digits(rng, 4)} {digits(rng, 4)}"],
        ),
        "english phone": (
            ["Call me on @@ after six.", "Phone: @@", "Reach Ann at @@."],
            [
                lambda: f"(212) 555-01{digits(rng, 2)}",
                lambda: f"+1 415 555 01{digits(rng, 2)}",
                lambda: f"020 7946 0{digits(rng, 3)}",
                lambda: f"07700 900{digits(rng, 3)}",
                lambda: f"312.555.01{digits(rng, 2)}",
            ],
        ),
        "iban": (
            ["IBAN: @@", "Überweisen Sie auf @@.", "Virement sur le compte @@"],
            [
                lambda: iban(rng, "DE", digits(rng, 18)),
                lambda: group(iban(rng, "DE", digits(rng, 18)), (4, 4, 4, 4, 4, 2), " "),
                lambda: group(iban(rng, "NL", "INGB" + digits(rng, 10)), (4, 4, 4, 4, 2), " "),
                lambda: iban(rng, "AT", digits(rng, 16)),
            ],
        ),
        "passport": (
            ["护照号码：@@", "Passport no. @@, issued in 2019", "持@@号护照入境"],
            [lambda: "E" + digits(rng, 8), lambda: "EA" + digits(rng, 7), lambda: "G" + digits(rng, 8)],
        ),
    }


NEGATIVES = [
    "订单号 {d12} 已发货。",
    "Order no. {d10} was shipped.",
    "Bestellnummer {d8}-{d3} liegt vor.",
    "commande n° {d9}",
    "注文番号 {d11} を確認しました。",
    "ISBN 978-7-{d3}-{d5}-{d1}",
    "ISBN 0-{d3}-{d5}-X",
    "doi:10.{d4}/s{d5}-0{d2}-{d5}-{d1}",
    "ISSN {d4}-{d4}",
    "version 2.{d2}.{d3}-rc1",
    "build {d4}.{d3}.{d2}",
    "于2026年11月{m}日15:30召开",
    "on 2026-11-{m} at 15:30:{m}",
    "北纬39.{d4}°，东经116.{d4}°",
    "at 52.{d6}, 13.{d6}",
    "（2019）京01民终{d4}号判决",
    "《民法典》第{n}条第2款",
    "§ {n} Abs. 3 BGB",
    "42 U.S.C. § {n}",
    "专利号 ZL2018{d8}.{d1}",
    "US Patent {d1},{d3},{d3}",
    "血红蛋白 {n} g/L，白细胞 {f}×10^9/L",
    "Na 140, K 4.{d1}, Cl {n} mmol/L",
    "价格￥{d2},{d3}.00元",
    "The price is ${d3},{d3}.{d2}.",
    "净利润 {d3},{d3},{d3} 元",
    "sha1 {h40}",
    "md5: {h32}",
    "commit {h12}",
    "pp. {n}–{n2}",
    "第{n}至{n2}页",
    "ISO 9001:2015 und EN {d5}",
    "GB/T {d4}.1-2012",
    "CAS {d4}-{d2}-{d1}",
    "π ≈ 3.14159{d10}",
    "x = {d5} × {d4} = {d9}",
    "开奖号码 {m} {m2} 07 19 23 31",
    "列车 G{d4} 次 08:15 开",
    "flight LH{d3} at 07:45",
    "股票代码 600{d3}.SH",
    "HK.0{d4}",
    "拨打110或120报警",
    "客服热线 12315",
    "序列号 SN{d4}K{d6}",
    "part no. {d4}-{d5}-A",
    "Artikel {d6}.{d2}",
    "model XR-{d4}-{d3}",
    "快递单号 SF{d13}",
    "比分 {m}:{m2}",
    "样本量 n={d5}，p<0.0{d2}",
    "成立于1998年，注册资本{d4}万元",
    "面积为{d3},{d3}平方公里，人口{d1},{d3},{d3}",
    "邮编 310{d3}",
    "税率 13%，第 {d6} 号公告",
    "银发〔2020〕{d3}号文",
    "基因 rs{d8}",
    "NCT0{d7}",
    "NM_00{d4}.{d1}",
    "UniProt P{d5}",
    "文号：国办发{d3}号",
    "température {f} °C, pression {d4} hPa",
    "частота {d3},{d2} МГц",
    "ГОСТ {d5}-2014",
    "第{n}卷第2期",
    "vol. {m}, no. 3, {d4}",
    "hex 0x{h8}",
    "uuid {h8}-{h4}-4{h3}-a{h3}-{h12}",
    "端口 {d4}，进程 {d5}",
    "{d4} + {d4} − {d3} = ?",
    "余额 {d5}.{d2} 元，流水 {d2} 笔",
    "barcode 69{d11}",
]
"""Texts with numbers that are nobody's; fields stand for digits (d), hexadecimal signs (h), small numbers and figures."""


def negate(rng: random.Random) -> Iterator[str]:
    """Texts without a value, five of each template."""
    for template in NEGATIVES:
        for _ in range(5):
            fields = {f"d{count}": digits(rng, count) for count in range(1, 14)} | {
                f"h{count}": "".join(rng.choice("0123456789abcdef") for _ in range(count)) for count in (3, 4, 8, 12, 32, 40)
            }
            number = rng.randint(100, 800)
            fields |= {
                "m": f"{rng.randint(1, 28):02}",
                "m2": f"{rng.randint(1, 28):02}",
                "n": str(number),
                "n2": str(number + 9),
                "f": f"{rng.uniform(3, 40):.1f}",
            }
            yield template.format(**fields)


if __name__ == "__main__":
    main()
