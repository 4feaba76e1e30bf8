"""Finds telephone numbers: patterns propose, libphonenumber's metadata judges. Texts are folded.

Boundaries are digits and Latin letters, never spaces: in Chinese, numbers stand inside running text.
"""

import re
from collections.abc import Iterator
from itertools import chain

from adapt.corpus.pii.home import bare_local_numbers, home_numbers, is_told
from adapt.corpus.pii.kinds import (
    APART,
    END,
    GAP,
    NO_ACCOUNT,
    START,
    Finding,
    bare,
    groups_of,
    is_amount,
    is_called_otherwise,
)
from adapt.corpus.pii.plans import e164
from adapt.corpus.pii.tongues import HAN

NO_GROUP_BEFORE = r"(?<![0-9A-Za-z]-)"
NO_GROUP_AFTER = r"(?!-[0-9])"
_PLUS = re.compile(r"(?<![0-9A-Za-z)])\(?\+(?:(?<![0-9)] .) )?\(?[0-9](?:[0-9 ()\[\].\-/·\u200b]{6,28}|[0-9 ()\[\].\-/·\n\u200b]{6,28})")
_DOUBLE_ZERO = re.compile(rf"{START}00([1-9](?:{APART}{{0,3}}[0-9]){{8,14}}){END}")
_BARE_CODE = re.compile(rf"{START}{NO_GROUP_BEFORE}(86{APART}{{1,3}}[1-9]\d{{1,2}}{APART}{{1,3}}[2-8]\d{{2,3}}{APART}?\d{{4}}){END}{NO_GROUP_AFTER}")
_ONE = rf"(?:{APART}|--|\) | \()"
_AMERICAN = re.compile(
    rf"{START}{NO_GROUP_BEFORE}((?:1[-. ])?(?:\([2-9]\d\d\)[ .\-]{{0,2}}"
    rf"|[2-9]\d\d{_ONE})[2-9]\d\d{_ONE}\d{{4}}){END}{NO_GROUP_AFTER}"
)
_TEN = re.compile(rf"{START}{NO_GROUP_BEFORE}(\(?(?:1{GAP}?)?[2-9](?:{GAP}?[0-9]){{9}}){END}{NO_GROUP_AFTER}")
"""Ten digits in any groups, behind a telling word."""
_CN_MOBILE = re.compile(
    rf"(?:(?i:(?<=tel)|(?<=phone)|(?<=mobile))|(?<![0-9A-Za-z_+]))(?<![0-9]\.){NO_GROUP_BEFORE}"
    rf"(\(?(?:86{APART}{{0,3}}+)?1{GAP}?[3-9](?:{GAP}?[0-9]){{9}}){END}"
)
_TRUNK = re.compile(
    rf"{START}{NO_GROUP_BEFORE}{NO_ACCOUNT}([(\[]?0\d{{2,4}}[)\]]?{GAP}?\d{{3,4}}{GAP}?\d{{3,4}}){END}(?:{APART}\d{{1,4}}{END})?{NO_GROUP_AFTER}"
)
_HOTLINE = re.compile(rf"{START}{NO_GROUP_BEFORE}([48]00{GAP}(?:\d{{3,4}}{APART}{{0,3}}\d{{3,4}}|\d{{2}}{APART}\d{{5}})){END}{NO_GROUP_AFTER}")
_HOTLINE_BARE = re.compile(rf"{START}{NO_GROUP_BEFORE}([48]00[0-9]{{7}}){END}{NO_GROUP_AFTER}")
_NATIONAL = (
    *((_AMERICAN, ("US",)), (_CN_MOBILE, ("CN",)), (_TRUNK, ("CN", "GB")), (_HOTLINE, ("CN",))),
    *((_TEN, ("US",)), (_HOTLINE_BARE, ("CN",))),
)
"""Forms without a country code, and the numbering plans that they are held against."""
_NEED_WORD = (_TEN, _HOTLINE_BARE)
_UNUSUAL = re.compile(r"[/·\[\]\n]|[0-9]\.")
"""What seldom stands between the digits of a telephone number, but for points in American ones."""
_STRETCH = re.compile(r"[0-9](?:[ \n\-./·()\[\]\u200b]{0,6}+[0-9]){6,}+")
"""Digits and what may divide them: patterns are tried on these alone."""
_USUAL = {(11,), (3, 4, 4), (3, 8), (7, 4), (2, 11), (2, 3, 4, 4), (2, 3, 8), (2, 7, 4)}
"""Groups of a Chinese mobile number that need nothing beside them."""
_OTHER = {(3, 3, 5), (4, 3, 4), (4, 4, 3), (5, 3, 3), (3, 5, 3), (5, 6), (6, 5), (4, 7), (3, 2, 3, 3), (3, 2, 2, 4), (3, 2, 2, 2, 2)}
"""Those that need Chinese around them; all the rest need a telling word."""

_ROUND = re.compile(r"0{6}$")


def phones(text: str) -> Iterator[Finding]:
    """International numbers, and those written as at home; the value is E.164."""
    if "+" in text:
        yield from _international(text)
    for match in chain(_DOUBLE_ZERO.finditer(text), _BARE_CODE.finditer(text) if "86" in text else ()):
        if value := e164("+" + match[1], None):
            yield Finding(*match.span(), "phone", value)
    for stretch in _STRETCH.finditer(text):
        first, last = max(stretch.start() - 3, 0), min(stretch.end() + 3, len(text))
        length = len(bare(stretch[0]))
        if length >= 10 or (length == 9 and "0" in stretch[0]):
            yield from _national(text, first, last)
        if length >= 8:
            yield from home_numbers(text, first, last)
    yield from bare_local_numbers(text)


def _national(text: str, first: int, last: int) -> Iterator[Finding]:
    for pattern, regions in _NATIONAL:
        for match in pattern.finditer(text, first, last):
            number = match[1]
            plans = regions[:1] if number.isdigit() else regions  # ten bare digits are more often something else
            if _is_none(text, match) or (pattern is _CN_MOBILE and not _is_mobile_form(text, match)):
                continue
            if pattern is _TRUNK and _UNUSUAL.search(number) and not _has_company(text, *match.span(1)):
                continue
            if pattern in _NEED_WORD and (_in_row(text, match) or not is_told(text, *match.span(1))):
                continue
            if value := next(filter(None, (e164(number, plan) for plan in plans)), None):
                yield Finding(*match.span(1), "phone", value)


def _is_none(text: str, match: re.Match[str]) -> bool:
    """Whether a number is an amount, is round, or is called an order, a product or the like."""
    begin, end = match.span(1)
    return is_amount(text, begin, end) or _ROUND.search(match[1]) is not None or is_called_otherwise(text, begin)


def _is_mobile_form(text: str, match: re.Match[str]) -> bool:
    """Whether eleven digits stand in groups that are telephone numbers' own, or in odd ones where words make up for it."""
    begin, end = match.span(1)
    groups = groups_of(match[1])
    if match[1].count("\n") > 1:
        return match[1].count("\n") == 2 and is_told(text, begin, end)
    if groups in _USUAL:
        return True
    if _in_row(text, match):
        return False
    if groups in _OTHER or (groups[0] == 2 and groups[1:] in _OTHER and bare(match[1]).startswith("86")):
        return _has_company(text, begin, end)
    return is_told(text, begin, end)


def _has_company(text: str, begin: int, end: int) -> bool:
    """Whether Chinese or a telling word stands near: numbers of other kinds have points and slashes too."""
    return HAN.search(text, max(begin - 40, 0), end + 40) is not None or is_told(text, begin, end)


def _in_row(text: str, match: re.Match[str]) -> bool:
    """Whether the groups are some of a longer row."""
    begin, end = match.span(1)
    return text[end : end + 2].strip(" -./")[:1].isdigit() or text[max(begin - 2, 0) : begin].strip(" -./")[-1:].isdigit()


def _international(text: str) -> Iterator[Finding]:
    """Numbers with a country code; those of a possible length count too, since numbering plans grow.

    A line break is looked over where nothing is found before it.
    """
    from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberMatcher, format_number

    for stretch in _PLUS.finditer(text):
        whole = stretch[0]
        for piece in dict.fromkeys((whole.split("\n")[0], whole.replace("\n", " ").replace("·", " ").replace("+ ", " +"))):
            found = False
            for leniency in (Leniency.VALID, Leniency.POSSIBLE):
                for match in PhoneNumberMatcher(piece, None, leniency=leniency):
                    begin, end = stretch.start() + match.start, stretch.start() + match.end
                    if not text[end : end + 1].isdigit() and not is_amount(text, begin, end):
                        found = True
                        yield Finding(begin, end, "phone", format_number(match.number, PhoneNumberFormat.E164))
            if found:
                break
