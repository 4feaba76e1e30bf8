"""Finds personal data and replaces it by tags.

Kinds are looked for from the most to the least specific, and what one kind has taken, no later kind may take: a valid identity number
is no telephone number, also where the spec does not mask identity numbers. Checksums are those of python-stdnum, telephone
numbers are judged by libphonenumber's metadata. A number whose checksum fails stays: masking it would damage docket numbers,
barcodes and amounts. Boundaries are digits and Latin letters, never spaces:
in Chinese, numbers stand inside running text.
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date

from adapt.spec.corpus import PiiKind

TAGS: dict[PiiKind, str] = {"email": "[EMAIL]", "phone": "[PHONE]", "cn_id": "[CN_ID]", "bank_card": "[BANK_CARD]"}
NAMES: dict[PiiKind, tuple[str, str]] = {
    "email": ("e-mail address", "e-mail addresses"),
    "phone": ("telephone number", "telephone numbers"),
    "cn_id": ("Chinese identity number", "Chinese identity numbers"),
    "bank_card": ("bank card number", "bank card numbers"),
}

Span = tuple[int, int]

_APART = r"[ \-\u2010-\u2013]"
"""What may stand between the groups of a number: a space or one of the dashes."""
_START = r"(?<![0-9A-Za-z_+])(?<![0-9]\.)"
_END = r"(?![0-9A-Za-z_])(?!\.[0-9])"
_NO_GROUP_BEFORE = r"(?<![0-9A-Za-z][\-\u2010-\u2013])"
_NO_GROUP_AFTER = r"(?![\-\u2010-\u2013][0-9])"

_EMAIL = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+([A-Za-z]{2,24})(?![A-Za-z0-9@])")
_FILE_ENDINGS = {"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js"}
_CN_ID = re.compile(rf"(?<![0-9])(?<![0-9][.,])\d{{6}}{_APART}?(\d{{8}}){_APART}?\d{{3}}[0-9Xx](?![0-9])(?![.,][0-9])")
_CARDS = tuple(
    re.compile(_START + shape + _END)
    for shape in (
        rf"\d{{4}}({_APART})\d{{4}}\1\d{{4}}\1\d{{4}}\1\d{{1,3}}",
        rf"\d{{4}}({_APART})\d{{4}}\1\d{{4}}\1\d{{1,4}}",
        rf"\d{{4}}({_APART})\d{{6}}\1\d{{4,5}}",
        rf"\d{{6}}{_APART}\d{{7,13}}",
        r"\d{13,19}",
    )
)
_CARD_START = re.compile(r"[3-69]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)")
"""First digits of the schemes: Mastercard's second range, Amex and JCB, Visa, Mastercard, UnionPay, older Chinese bank cards."""

_PLUS = re.compile(r"(?<![0-9A-Za-z)])\(?\+\(?[0-9][0-9 ().\-\u2010-\u2013/]{6,24}")
_DOUBLE_ZERO = re.compile(rf"{_START}00([1-9](?:{_APART}?[0-9]){{8,14}}){_END}")
_AMERICAN = re.compile(
    rf"{_START}{_NO_GROUP_BEFORE}((?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d(?:{_APART}|\.))[2-9]\d\d(?:{_APART}|\.)\d{{4}}){_END}{_NO_GROUP_AFTER}"
)
_CALLED = re.compile(
    r"\b(?:tel|phone|telephone|call|fax|mobile|cell)\b[.:]?\s*(?:us\s+)?(?:at\s|on\s)?\s*(1?[2-9]\d{9})(?![0-9A-Za-z_])", re.IGNORECASE
)
_CN_MOBILE = re.compile(
    rf"(?:(?i:(?<=tel)|(?<=phone)|(?<=mobile))|(?<![0-9A-Za-z_+]))(?<![0-9]\.){_NO_GROUP_BEFORE}((?:86{_APART}?)?1[3-9]\d{_APART}?\d{{4}}{_APART}?\d{{4}}){_END}"
)
_TRUNK = re.compile(
    rf"{_START}{_NO_GROUP_BEFORE}([(（]?0\d{{2,4}}[)）]?{_APART}?\d{{3,4}}{_APART}?\d{{3,4}}){_END}(?:{_APART}\d{{1,4}}{_END})?{_NO_GROUP_AFTER}"
)
_HOTLINE = re.compile(rf"{_START}{_NO_GROUP_BEFORE}([48]00{_APART}\d{{3,4}}{_APART}?\d{{3,4}}){_END}{_NO_GROUP_AFTER}")
_NATIONAL = ((_CALLED, ("US",)), (_AMERICAN, ("US",)), (_CN_MOBILE, ("CN",)), (_TRUNK, ("CN", "GB")), (_HOTLINE, ("CN",)))
"""Forms without a country code, and the numbering plans that they are held against."""

_AMOUNT_BEFORE = re.compile(r"(?:[$£€¥￥×÷^]|RMB|CNY|USD|HKD|EUR|GBP|[0-9) ]=|[0-9] ?\*)\s*$")
_AMOUNT_AFTER = re.compile(r"\s*(?:元(?!旦)|圆|美元|港元|欧元|英镑|人次|股(?!东)|[=×÷^%％]|\* ?[0-9])")
_ROUND = re.compile(r"0{6}$")
_WORTH_A_LOOK = re.compile(r"@|\d(?:[^\d\n]{0,3}\d){6}")


def mask(text: str, kinds: tuple[PiiKind, ...]) -> tuple[str, dict[PiiKind, int]]:
    """The text with each piece of personal data of the given kinds replaced by its tag, and how many of each kind there were."""
    spans = [(span, kind) for span, kind in find(text) if kind in kinds]
    parts: list[str] = []
    done = 0
    for (begin, end), kind in spans:
        parts += [text[done:begin], TAGS[kind]]
        done = end
    return "".join([*parts, text[done:]]), dict(Counter(kind for _, kind in spans))


def find(text: str) -> list[tuple[Span, PiiKind]]:
    """Where personal data stands, in the order of the text; spans do not overlap."""
    if not _WORTH_A_LOOK.search(text):
        return []
    finders: tuple[tuple[PiiKind, Callable[[str], Iterator[Span]]], ...] = (
        ("email", _emails), ("cn_id", _identity_numbers), ("bank_card", _cards), ("phone", _phones),
    )  # fmt: skip
    taken: list[tuple[Span, PiiKind]] = []
    for kind, finder in finders:
        for begin, end in finder(text):
            at = bisect(taken, (begin, end), key=lambda entry: entry[0])
            if (at == 0 or taken[at - 1][0][1] <= begin) and (at == len(taken) or end <= taken[at][0][0]):
                taken.insert(at, ((begin, end), kind))
    return taken


def _emails(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text) if "@" in text else ():
        if match[1].lower() not in _FILE_ENDINGS:
            yield match.span()


def _identity_numbers(text: str) -> Iterator[Span]:
    """GB 11643: six digits of place, a birth date, three of sequence, an ISO 7064 MOD 11-2 check character."""
    from stdnum.iso7064 import mod_11_2

    for match in _CN_ID.finditer(text):
        if mod_11_2.is_valid(_bare(match[0]).upper()) and _is_birth_date(match[1]):
            yield match.span()


def _is_birth_date(digits: str) -> bool:
    try:
        return 1800 <= date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year < 2100
    except ValueError:
        return False


def _cards(text: str) -> Iterator[Span]:
    """ISO/IEC 7812: 13 to 19 digits, in one piece or grouped as on cards, the last of them Luhn's check digit."""
    from stdnum import luhn

    for shape in _CARDS:
        for match in shape.finditer(text):
            digits = _bare(match[0])
            if 13 <= len(digits) <= 19 and _CARD_START.match(digits) and luhn.is_valid(digits):
                yield match.span()


def _phones(text: str) -> Iterator[Span]:
    if "+" in text:
        yield from _international(text)
    for match in _DOUBLE_ZERO.finditer(text):
        if _is_phone("+" + match[1], None):
            yield match.span()
    for pattern, regions in _NATIONAL:
        for match in pattern.finditer(text):
            number = match[1]
            plans = regions[:1] if number.isdigit() else regions  # ten bare digits are more often something else
            if not _is_amount(text, *match.span(1)) and not _ROUND.search(number) and any(_is_phone(number, plan) for plan in plans):
                yield match.span(1)


def _is_amount(text: str, begin: int, end: int) -> bool:
    """Whether what stands around a number makes it money, a count or part of a calculation."""
    return _AMOUNT_BEFORE.search(text[max(begin - 8, 0) : begin]) is not None or _AMOUNT_AFTER.match(text, end) is not None


def _international(text: str) -> Iterator[Span]:
    """Numbers with a country code; those of a possible length count too, since numbering plans grow."""
    from phonenumbers import Leniency, PhoneNumberMatcher

    for stretch in _PLUS.finditer(text):
        for leniency in (Leniency.VALID, Leniency.POSSIBLE):
            for match in PhoneNumberMatcher(stretch[0], None, leniency=leniency):
                begin, end = stretch.start() + match.start, stretch.start() + match.end
                if not text[end : end + 1].isdigit() and not _is_amount(text, begin, end):
                    yield begin, end


def _is_phone(number: str, region: str | None) -> bool:
    """Whether libphonenumber's metadata calls the number valid; personal numbers (500-xxx-xxxx in America) are left out, no one writes them."""
    from phonenumbers import NumberParseException, PhoneNumberType, is_valid_number, number_type, parse

    try:
        parsed = parse(number, region)
    except NumberParseException:
        return False
    return bool(is_valid_number(parsed) and number_type(parsed) != PhoneNumberType.PERSONAL_NUMBER)


def _bare(number: str) -> str:
    return re.sub(r"[^0-9Xx]", "", number)
