"""The ways of writing one number: groups, separators, full-width signs, line breaks; and numbers of Hong Kong, Taiwan and other places.

Check digits are computed here from the published rules, not by the library that the rules of the program ask.
"""

from collections.abc import Callable
from random import Random

from tests.corpus.pii.planted.values import DIGITS, UPPER, card, cn_id, cn_id_old, drawn, filled, form_of

SPACES = (" ", "\u00a0", "\u2003", "\u2009", "\u202f", "\u3000")
DASHES = ("-", "\u2010", "\u2011", "\u2013", "\u2014", "\u2014\u2014", "\uff0d")
SEPARATORS = (*SPACES, *DASHES, ".", "\uff0e", "\u00b7", "/", "\uff0f")


def full_width(number: str) -> str:
    """Digits and letters as wide as Han."""
    return "".join(chr(ord(mark) + 0xFEE0) if mark.isalnum() and mark.isascii() else mark for mark in number)


def grouped(random: Random, number: str, *groupings: tuple[int, ...]) -> str:
    """The number cut into groups by one separator, once in ten in full width, once in ten over a line break."""
    sizes, parts, at = random.choice(groupings), [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    separator = random.choice(SEPARATORS)
    written = separator.join(parts)
    if random.random() < 0.1 and len(parts) > 1:
        first = random.randrange(1, len(parts))
        written = separator.join(parts[:first]) + "\n" + separator.join(parts[first:])
    return full_width(written) if random.random() < 0.1 else written


def mobile(random: Random) -> str:
    """A Chinese mobile number."""
    number = random.choice(["138", "139", "159", "186", "177", "133"]) + drawn(random, DIGITS[1:], 8)
    if random.random() < 0.1:
        return f"({number[:3]}){number[3:7]}{random.choice(DASHES)}{number[7:]}"
    return grouped(random, number, (3, 4, 4), (3, 3, 5), (4, 3, 4), (11,), (1,) * 11)


def landline(random: Random) -> str:
    """A Chinese number with its area code."""
    area, number = random.choice([("010", "6%######"), ("021", "5%######"), ("0755", "26%#####"), ("0571", "87%#####")])
    number = filled(random, number)
    area = random.choice([area, f"({area})", f"（{area}）", f"[{area}]"])
    number = random.choice([number, f"{number[:4]}{random.choice(['-', ' ', '—'])}{number[4:]}"])
    return area + random.choice([*DASHES, *SPACES, "/"]) + number


def identity(random: Random) -> str:
    """A Chinese identity number in any groups, × or x for X."""
    number = cn_id(random)
    if number.endswith("X"):
        number = number[:-1] + random.choice("Xx×")
    return grouped(random, number, (6, 8, 4), (3, 3, 4, 4, 4), (6, 4, 4, 4), (18,), (1,) * 18, (4, 4, 4, 6), (10, 8))


def identity_from_abroad(random: Random) -> str:
    """A permit of residence for people from Hong Kong, Macau, Taiwan: the form of an identity number."""
    body = f"{random.choice(['810000', '820000', '830000'])}19{random.randint(50, 99)}0{random.randint(1, 9)}1{drawn(random, DIGITS, 4)}"
    total = sum(int(digit) * (2 ** (17 - at) % 11) for at, digit in enumerate(body))
    return body + "10X98765432"[total % 11]


def identity_old(random: Random) -> str:
    """15 digits, behind a line break at times."""
    return random.choice(["", "\n"]) + grouped(random, cn_id_old(random), (15,), (6, 6, 3))


def bank_card(random: Random) -> str:
    """A card in groups of four, by one separator."""
    number = card(random)
    plain = "".join(filter(str.isdigit, number))
    return number if len(plain) == 15 else grouped(random, plain, tuple([4] * (len(plain) // 4) + ([len(plain) % 4] if len(plain) % 4 else [])))


def hong_kong(random: Random) -> str:
    """A letter, six digits, and modulo 11 in brackets; a space counts as 36."""
    letter, body = random.choice(UPPER), drawn(random, DIGITS, 6)
    total = 36 * 9 + (ord(letter) - 55) * 8 + sum(int(digit) * weight for digit, weight in zip(body, (7, 6, 5, 4, 3, 2), strict=True))
    check = "0123456789A"[-total % 11]
    return f"{letter}{body}" + random.choice([f"({check})", f"（{check}）", check])


def taiwan(random: Random) -> str:
    """A letter and nine digits, modulo 10."""
    letter = random.choice("ABCDEFGHJKLMNPQRSTUVXYWZIO")
    body = random.choice("12") + drawn(random, DIGITS, 7)
    code = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(letter)
    total = code // 10 + code % 10 * 9 + sum(int(digit) * weight for digit, weight in zip(body, range(8, 0, -1), strict=True))
    return f"{letter}{body}{-total % 10}"


def steuer_id(random: Random) -> str:
    """Eleven digits after ISO 7064 MOD 11,10, one digit twice among the first ten."""
    order = [*DIGITS]
    random.shuffle(order)
    if order[0] == "0":
        order = order[::-1]
    order[9] = order[1]
    product = 10
    for digit in order:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    number = "".join(order) + str((11 - product) % 10)
    return random.choice([number, f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"])


def nir(random: Random) -> str:
    """The French number of thirteen digits and its key, modulo 97."""
    body = f"{random.choice('12')}{random.randint(40, 99)}{random.randint(1, 12):02}{random.randint(10, 89)}{drawn(random, DIGITS[1:], 6)}"
    key = f"{97 - int(body) % 97:02}"
    spaced = f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {key}"
    return random.choice([body + key, spaced])


def snils(random: Random) -> str:
    """The Russian social number; its check digits are not asked for."""
    return filled(random, "1##-###-### ##")


def cpf(random: Random) -> str:
    """The Brazilian number, twice modulo 11."""
    number = drawn(random, DIGITS[1:], 9)
    for _ in range(2):
        rest = sum(int(digit) * weight for digit, weight in zip(reversed(number), range(2, 12), strict=False)) % 11
        number += str(0 if rest < 2 else 11 - rest)
    return f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"


def email_abroad(random: Random) -> str:
    """Letters beyond ASCII in name or domain, or both."""
    name, domain = random.choice(
        [
            *(("jürgen", "müller.de"), ("anna", "bücher.example"), ("张三", "公司.中国"), ("李雷88", "例子.公司")),
            *(("иван", "почта.рф"), ("rené.côté", "exemple.fr"), ("søren", "blåbær.dk"), ("info", "公司.香港")),
            ("k.ōta", "mail.example.jp"),
        ]
    )
    return f"{name}@{domain}"


def email_wide(random: Random) -> str:
    """In full width."""
    return full_width(random.choice(["anna", "zhang"])) + "＠" + full_width("qinghe") + random.choice(["．", "."]) + full_width("com")


PLATE = form_of("京A#####", "粤B%####", "沪C·##%##", "浙A D####%", "苏ED0####", "鲁B0####F", "川A·%K5##", "粤Z1###港", "京Q%#F##")
STREETS = (
    "浙江省杭州市西湖区文三路{}号{}幢{}室",
    "北京市朝阳区建国路{}号",
    "上海市浦东新区世纪大道{}号{}楼",
    "广州市天河区体育西路{}号之{}",
    "成都市武侯区人民南路四段{}号{}栋{}单元{}室",
    "湖南省长沙市岳麓区麓山南路{}号",
    "河南省周口市太康县王集乡李庄村{}号",
    "臺北市信義區信義路五段{}號{}樓",
    "高雄市前鎮區中華五路{}號",
    "香港九龍彌敦道{}號{}樓",
    "江苏省苏州市工业园区星湖街{}号",
    "重庆市渝中区解放碑街道民权路{}号附{}号",
    "深圳市南山区科技园北区{}栋{}室",
    "武汉市洪山区珞喻路{}号{}栋{}",
)


def address(random: Random) -> str:
    """A postal address in Chinese."""
    form = random.choice(STREETS)
    return form.format(*(random.randint(2, 99) if at < 2 else random.randint(101, 1899) for at in range(form.count("{}"))))


ABROAD: dict[str, tuple[str, Callable[[Random], str]]] = {
    "mobile": ("phone", mobile),
    "landline": ("phone", landline),
    "local_cn": ("phone", form_of("6%######", "8%#####%")),
    "phone_de": (
        "phone",
        form_of("030 2312%###", "030/2312%##", "(089) 5%##%##", "0171 23####%", "0151/2345####", "0221 - 47####%", "0 30 / 23 12 %# ##"),
    ),
    "phone_fr": ("phone", form_of("01 42 68 %# ##", "06 12 %# ## ##", "06.12.%#.##.##", "07-81-%#-##-##", "0142 68 %# ##", "06%#######")),
    "phone_jp": (
        "phone",
        form_of("03-3224-%###", "090-1234-%###", "080 3456 %###", "06(6942)%###", "０３－３２２４－５６７#", "0120-123-4%#", "045-681-%###"),
    ),
    "phone_tw": ("phone", form_of("02-2345-%###", "(02)2345-%###", "0912-345-%##", "0912%#####%", "04-2223-%###", "0921 %## ###")),
    "phone_ru": ("phone", form_of("8 (495) %##-##-##", "8-916-%##-##-##", "8916%######", "8 (812) %## ## ##", "(495) %##-##-##", "7 916 %## ## ##")),
    "identity": ("cn_id", identity),
    "identity_old": ("cn_id", identity_old),
    "residence": ("cn_id", identity_from_abroad),
    "card_any": ("bank_card", bank_card),
    "hkid": ("national_id", hong_kong),
    "twid": ("national_id", taiwan),
    "steuer_id": ("national_id", steuer_id),
    "nir": ("national_id", nir),
    "snils": ("national_id", snils),
    "cpf": ("national_id", cpf),
    "home_return": ("travel_permit", form_of("H########", "M########", "H##########")),
    "to_hong_kong": ("travel_permit", form_of("C########", "W########", "CA#######")),
    "compatriot": ("travel_permit", form_of("0#######", "1#######", "0#########(B)")),
    "plate": ("plate", PLATE),
    "address": ("postal_address", address),
    "email_abroad": ("email", email_abroad),
    "email_wide": ("email", email_wide),
    "email_url": ("email", lambda r: r.choice(["anna.holm%40northmere.com", "zhang%2Bnews%40qinghe.cn", "j%C3%BCrgen%40ledgerway.org"])),
    "email_spelt": ("email", lambda r: r.choice(["anna [at] northmere [dot] com", "karen(at)ledgerway.org", "zhang at qinghe dot cn"])),
}
"""Slot, kind of personal data, maker."""
