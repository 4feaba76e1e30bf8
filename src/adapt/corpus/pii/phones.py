"""Finds telephone numbers: patterns propose, libphonenumber's metadata judges. Boundaries are digits and Latin letters, never spaces:
in Chinese, numbers stand inside running text."""

import re
from collections.abc import Iterator

from adapt.corpus.pii.kinds import APART, END, NO_ACCOUNT, START, Finding, is_amount

_NO_GROUP_BEFORE = r"(?<![0-9A-Za-z][\-\u2010-\u2013])"
_NO_GROUP_AFTER = r"(?![\-\u2010-\u2013][0-9])"
_PLUS = re.compile(r"(?<![0-9A-Za-z)])\(?\+\(?[0-9][0-9 ().\-\u2010-\u2013/]{6,24}")
_DOUBLE_ZERO = re.compile(rf"{START}00([1-9](?:{APART}?[0-9]){{8,14}}){END}")
_AMERICAN = re.compile(
    rf"{START}{_NO_GROUP_BEFORE}((?:1[-. ])?(?:\([2-9]\d\d\) ?|[2-9]\d\d(?:{APART}|\.))[2-9]\d\d(?:{APART}|\.)\d{{4}}){END}{_NO_GROUP_AFTER}"
)
_CALLED = re.compile(
    r"\b(?:tel|phone|telephone|call|fax|mobile|cell)\b[.:]?\s*(?:us\s+)?(?:at\s|on\s)?\s*(1?[2-9]\d{9})(?![0-9A-Za-z_])", re.IGNORECASE
)
_CN_MOBILE = re.compile(
    rf"(?:(?i:(?<=tel)|(?<=phone)|(?<=mobile))|(?<![0-9A-Za-z_+]))(?<![0-9]\.){_NO_GROUP_BEFORE}((?:86{APART}?)?1[3-9]\d{APART}?\d{{4}}{APART}?\d{{4}}){END}"
)
_TRUNK = re.compile(
    rf"{START}{_NO_GROUP_BEFORE}{NO_ACCOUNT}([(（]?0\d{{2,4}}[)）]?{APART}?\d{{3,4}}{APART}?\d{{3,4}}){END}"
    rf"(?:{APART}\d{{1,4}}{END})?{_NO_GROUP_AFTER}"
)
_HOTLINE = re.compile(rf"{START}{_NO_GROUP_BEFORE}([48]00{APART}\d{{3,4}}{APART}?\d{{3,4}}){END}{_NO_GROUP_AFTER}")
_NATIONAL = ((_CALLED, ("US",)), (_AMERICAN, ("US",)), (_CN_MOBILE, ("CN",)), (_TRUNK, ("CN", "GB")), (_HOTLINE, ("CN",)))
"""Forms without a country code, and the numbering plans that they are held against."""

_ROUND = re.compile(r"0{6}$")


def phones(text: str) -> Iterator[Finding]:
    """International numbers, and American, British and Chinese ones as written at home; the value is E.164."""
    if "+" in text:
        yield from _international(text)
    for match in _DOUBLE_ZERO.finditer(text):
        if value := _e164("+" + match[1], None):
            yield Finding(*match.span(), "phone", value)
    for pattern, regions in _NATIONAL:
        for match in pattern.finditer(text):
            number = match[1]
            plans = regions[:1] if number.isdigit() else regions  # ten bare digits are more often something else
            if is_amount(text, *match.span(1)) or _ROUND.search(number):
                continue
            if value := next(filter(None, (_e164(number, plan) for plan in plans)), None):
                yield Finding(*match.span(1), "phone", value)


def _international(text: str) -> Iterator[Finding]:
    """Numbers with a country code; those of a possible length count too, since numbering plans grow."""
    from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher, format_number

    for stretch in _PLUS.finditer(text):
        for leniency in (Leniency.VALID, Leniency.POSSIBLE):
            for match in PhoneNumberMatcher(stretch[0], None, leniency=leniency):
                begin, end = stretch.start() + match.start, stretch.start() + match.end
                if not text[end : end + 1].isdigit() and not is_amount(text, begin, end):
                    yield Finding(begin, end, "phone", format_number(match.number, PhoneNumberFormat.E164))


def _e164(number: str, region: str | None) -> str | None:
    """The number with its country code when libphonenumber's metadata calls it valid; personal numbers (500-xxx-xxxx in America)
    are left out, no one writes them."""
    from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType, format_number, is_valid_number, number_type, parse

    try:
        parsed = parse(number, region)
    except NumberParseException:
        return None
    if not is_valid_number(parsed) or number_type(parsed) == PhoneNumberType.PERSONAL_NUMBER:
        return None
    return str(format_number(parsed, PhoneNumberFormat.E164))
