"""Reads a text as tokens, and says of each whether another in its place would change what the text claims.

Enters: a text of any language. Leaves: its words (single characters in scripts without spaces), numbers and signs. Facts are numbers
and units, negations, comparisons, labels of parties, names and codes, and letters whose case carries meaning (mA and MA, C and C#).
All of it follows from the text alone: by lists of words for English and Chinese, by form for names and codes.
"""

import re
import unicodedata
from typing import NamedTuple

from adapt.text.scripts import UNSPACED_CLASS

_NUMBER = r"(?:(?<![^\s(\[,;:，（])[-−+±])?\d+(?:,\d{3})*(?:[./:*]\d+)*%?"
_TOKEN = re.compile(
    rf"(?P<number>{_NUMBER})|(?P<letter>{UNSPACED_CLASS})|"
    rf"(?P<word>(?:(?!{UNSPACED_CLASS})[^\W\d_])+(?:'(?:(?!{UNSPACED_CLASS})[^\W\d_])+)*(?:\+\+|\#)?)|(?P<sign>[<>=≤≥≠±×÷+])"
)
_ENDS_SENTENCE = re.compile(r"(?:^|[.!?:;\n。！？：；\"“”(*•|#-])\s*$")
_NEGATED = ((re.compile(r"\bcannot\b", re.I), "can not"), (re.compile(r"\bcan't\b", re.I), "can not"))
_SHORT_NEGATION = re.compile(r"n't\b", re.I)
_EN = """
no not never none nor neither without lacks unable hardly except unless both either
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion trillion
third fourth fifth half quarter double triple twice thrice dozen
january february march april june july august september october november december
monday tuesday wednesday thursday friday saturday sunday
"""
_OPPOSITES = """
more greater larger higher above over exceeds increase increases increased increasing raise raises raised rise rises upper most maximum
/ less fewer smaller lower below under decrease decreases decreased decreasing reduce reduces reduced fall falls lower least minimum
before earlier early first / after later late last
left / right
inner inside internal / outer outside external
anterior / posterior
yes / no
true right correct / false wrong incorrect
valid / invalid / void
legal lawful / illegal unlawful
safe / unsafe dangerous harmful
allowed permitted may / forbidden prohibited
positive / negative
benign / malignant
acute / chronic
dominant / recessive
male man men boy boys father / female woman women girl girls mother
plaintiff claimant / defendant
buyer purchaser / seller vendor
lessor landlord / lessee tenant
lender creditor / borrower debtor
employer / employee
assets asset / liabilities liability
debit / credit
income revenue / expense expenses
profit profits gain gains / loss losses
long longer / short shorter
hot warm / cold cool
high / low
hypertension / hypotension
高 大 多 / 低 小 少
早 前 / 晚 后
上 / 下
内 / 外
增 升 / 减 降
左 / 右
阳 / 阴
急 / 慢
良 / 恶
原 / 被
买 / 卖
男 / 女
有 可 / 无 禁
合 / 违
对 正 / 错 误
"""
_WORDS = frozenset(_EN.split())


def _read_opposites(lines: str) -> dict[str, tuple[int, int]]:
    """The group of each word that has an opposite, and its side there. A line that begins with a stroke goes on."""
    groups = [line.split("/") for line in lines.strip().replace("\n/", " /").splitlines()]
    return {word: (n, side) for n, group in enumerate(groups) for side, words in enumerate(group) for word in words.split()}


OPPOSITES = _read_opposites(_OPPOSITES)
"""Words that claim the opposite of others: group and side."""
_UNITS = """
percent dollars euros pounds yuan cents seconds minutes hours days weeks months years second minute hour day week month year
mg g kg mcg ug µg μg ml l dl mm cm m km nm in ft lb oz kb mb gb tb hz khz mhz ghz v mv kv a ma w kw mw j kj c f k pa kpa mpa
hectares acres miles feet inches meters metres liters litres grams times
"""
_UNIT_WORDS = frozenset(_UNITS.split())
_CASED_UNITS = {"".join(pair) for pair in (("m", "A"), ("M", "A"), ("m", "g"), ("M", "g"), ("m", "m"), ("M", "m"), ("n", "m"))}
_CASED_UNITS |= {prefix + unit for prefix in "mMpP" for unit in ("A", "V", "W", "Hz", "Pa", "J", "N", "F", "S", "Ω", "eV")}
_CASED_UNITS |= {prefix + unit for prefix in "kMGT" for unit in ("b", "B", "bit", "bps", "Bps")} | {"Nm", "mb"}
_ZH = re.compile(
    "非常|不仅|不但|不过|不断|不管|不论|无论|未来|是否|否则|不同|不适|不良|(?P<choice>.)不(?P=choice)|"
    "(?P<fact>[甲乙丙丁戊己庚辛](?!状腺|肝|胎|型|亢|减|硝|醇|醛|酸|烷|基|沟|床)|[甲乙丙丁](?=型|肝)|"
    "第[一二三四五六七八九十百千]+|[零一二两三四五六七八九十百千万亿半]+(?=[天日月年周岁度元倍级期小分秒克毫升米人])|"
    "[二两三四五六七八九十百千万亿]{1,}(?=[个种类项条次名位点款章节])|[不没無无未非勿莫禁])"
)
_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "−": "-", "﹣": "-", "％": "%"})


class Token(NamedTuple):
    """A piece of a text."""

    form: str
    """How it is compared: folded by case, unless case carries its meaning."""
    fact: bool
    """Whether another in its place makes another claim."""
    case: bool
    """Whether its case, or a sign that ends it, carries meaning."""


def read_tokens(text: str, shouts: bool | None = None) -> list[Token]:
    """The tokens of a text, in order. A text in capitals has no letters whose case counts; `shouts` says so of the whole of a part."""
    text = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHY))
    for pattern, plain in _NEGATED:
        text = pattern.sub(plain, text)
    text = _SHORT_NEGATION.sub(" not", text)
    shouts = is_in_capitals(text) if shouts is None else shouts
    claims = _claims(text)
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind, value, begin = match.lastgroup, match[0], match.start()
        after_number = bool(tokens) and tokens[-1].form[-1].isdigit()
        if kind == "number":
            tokens.append(Token(_plain_number(value), True, False))
        elif kind == "sign":
            tokens.append(Token(value, True, False))
        elif kind == "letter":
            tokens.append(Token(value, after_number or begin in claims, False))
        else:
            tokens.append(_read_word(value, text, begin, after_number, shouts))
    return tokens


def is_in_capitals(text: str) -> bool:
    """Whether more than half of the letters that have a case are capitals, of eight at least."""
    capitals, small = sum(map(str.isupper, text)), sum(map(str.islower, text))
    return capitals > small and capitals >= 8


def _claims(text: str) -> set[int]:
    """Places of the characters that Chinese negations, comparisons, parties and numerals stand in."""
    return {place for match in _ZH.finditer(text) if match["fact"] for place in range(match.start(), match.end())}


def _plain_number(value: str) -> str:
    """A number without separators of thousands, and without a plus."""
    return value.replace(",", "").lstrip("+")


def _read_word(value: str, text: str, begin: int, after_number: bool, shouts: bool) -> Token:
    folded = value.casefold()
    beside_digit = text[begin + len(value) : begin + len(value) + 1].isdigit() or text[begin - 1 : begin].isdigit()
    if value[-1] in "#+":
        return Token(value, True, True)
    if shouts:
        return Token(folded, folded in _WORDS or (after_number and folded in _UNIT_WORDS), False)
    if value in _CASED_UNITS:
        return Token(value, True, True)
    capital = value[0].isupper()
    if len(value) == 1 and capital:
        if value == "I" and not beside_digit:
            return Token(folded, False, False)
        article = value == "A" and (not begin or _ENDS_SENTENCE.search(text, max(0, begin - 8), begin) is not None)
        return Token(folded if article else value, not article, not article)
    if any(map(str.isupper, value[1:])) and not _stands_among_capitals(text, begin, begin + len(value)):
        return Token(value if len(value) <= 5 else folded, True, len(value) <= 5)
    named = capital and not _ENDS_SENTENCE.search(text, max(0, begin - 8), begin)
    fact = named or beside_digit or folded in _WORDS or (after_number and folded in _UNIT_WORDS)
    return Token(folded, fact, False)


_CAPITALS_BEFORE = re.compile(r"(?:^|[^\w])[A-Z]{2,}[^\w]{1,3}$")
_CAPITALS_AFTER = re.compile(r"[^\w]{1,3}[A-Z]{2,}(?![a-z\d])")


def _stands_among_capitals(text: str, begin: int, end: int) -> bool:
    """Whether a word in capitals has one beside it, as in a heading: its case says nothing then."""
    if not text[begin:end].isupper():
        return False
    return bool(_CAPITALS_AFTER.match(text, end) or _CAPITALS_BEFORE.search(text[max(0, begin - 24) : begin]))
