"""Finds numbers that prove themselves: identity numbers, cards, accounts. A number whose checksum fails stays: masking it
would damage docket numbers, barcodes and amounts. Checksums are those of python-stdnum."""

import re
from collections.abc import Iterator
from datetime import date

from adapt.corpus.pii.kinds import APART, END, NO_ACCOUNT, START, Finding, is_amount, is_called_otherwise

_CN_ID = re.compile(
    rf"(?<![0-9])(?<![0-9][.,])(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|[78]1|8[23]|9[0-9])\d{{4}}{APART}?(\d{{8}}){APART}?\d{{3}}[0-9Xx](?![0-9])(?![.,][0-9])"
)
"""Province (GB/T 2260; 9 for permanent residents from abroad), county, birth date, sequence, check character."""
_LONG = re.compile(rf"[0-9](?:{APART}?[0-9]){{12}}")
"""Thirteen digits: no card or identity number has fewer, and few texts have as many."""
_CN_ID_OLD = re.compile(
    r"(?:身份证|身分证|身份号码|证件号|(?i:identity (?:card|number)|\bID (?:card|number|no\b)|\bchinese ID\b))[^0-9\n]{0,12}(?<![0-9])"
    r"((?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5])\d{4})(\d{6})(\d{3})(?![0-9A-Za-z])(?![.,][0-9])"
)
_CARDS = tuple(
    re.compile(START + NO_ACCOUNT + shape + END)
    for shape in (
        rf"\d{{4}}({APART})\d{{4}}\1\d{{4}}\1\d{{4}}\1\d{{1,3}}",
        rf"\d{{4}}({APART})\d{{4}}\1\d{{4}}\1\d{{1,4}}",
        rf"\d{{4}}({APART})\d{{6}}\1\d{{4,5}}",
        rf"\d{{6}}{APART}\d{{7,13}}",
        r"\d{13,19}",
    )
)
_SCHEMES = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|35(?:2[89]|[3-8]\d)\d{12,15}|(?:50|5[6-9]|6\d)\d{14,17}|9[4589]\d{14,17}"
)
"""Visa, Mastercard, American Express, Diners Club, JCB, UnionPay with Maestro and Discover, older Chinese cards; each at its lengths."""
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}\d\d(?:[ \-]?[0-9A-Za-z]){11,30}(?![0-9A-Za-z])")
_GROUP_END = re.compile(r"[0-9A-Za-z](?![0-9A-Za-z])")
_SSN = re.compile(rf"{START}(?<![0-9A-Za-z]-)\d{{3}}-\d{{2}}-\d{{4}}{END}(?!-[0-9])")
_SSN_CALLED = re.compile(
    r"(?i:\bSSN\b|social[ -]security(?: (?:number|no\b|num\b|#))?|社会(?:安全|保险)号码?|社安号码?)[^0-9A-Za-z\n]{0,4}"
    rf"(?:is |was |为|是)?[^0-9\n]{{0,2}}(\d{{3}} ?\d{{2}} ?\d{{4}}){END}"
)


def identity_numbers(text: str) -> Iterator[Finding]:
    """GB 11643: 17 digits that hold a birth date, and an ISO 7064 MOD 11-2 check character; the form of 15 digits only after a telling word."""
    from stdnum.iso7064 import mod_11_2

    if not _LONG.search(text):
        return
    for match in _CN_ID.finditer(text):
        number = _bare(match[0])
        if _is_birth_date(match[1]) and mod_11_2.is_valid(number):
            yield Finding(*match.span(), "cn_id", number)
    for match in _CN_ID_OLD.finditer(text):
        if _is_birth_date("19" + match[2]):
            number = f"{match[1]}19{match[2]}{match[3]}"
            yield Finding(match.start(1), match.end(3), "cn_id", number + mod_11_2.calc_check_digit(number))


def _is_birth_date(digits: str) -> bool:
    try:
        return 1850 <= date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year < 2100
    except ValueError:
        return False


def cards(text: str) -> Iterator[Finding]:
    """ISO/IEC 7812: 13 to 19 digits of a scheme, in one piece or grouped as on cards, the last of them Luhn's check digit."""
    from stdnum import luhn

    if not _LONG.search(text):
        return
    for shape in _CARDS:
        for match in shape.finditer(text):
            digits = _bare(match[0])
            if _SCHEMES.fullmatch(digits) and luhn.is_valid(digits) and not _is_other(text, match):
                yield Finding(*match.span(), "bank_card", digits)


def _is_other(text: str, match: re.Match[str]) -> bool:
    """One in ten numbers that begin like a card has Luhn's digit, so money and numbers with another name stay."""
    return is_called_otherwise(text, match.start()) or is_amount(text, *match.span())


def accounts(text: str) -> Iterator[Finding]:
    """ISO 13616: country, check digits (MOD 97) and an account in the form of the country, in one piece or in groups.

    What follows in capitals may look like more groups, so every end of a group is tried, the farthest first.
    """
    from stdnum import iban

    for match in _IBAN.finditer(text):
        for end in reversed([group.end() for group in _GROUP_END.finditer(match[0])]):
            number = match[0][:end].replace(" ", "").replace("-", "").upper()
            if 15 <= len(number) <= 34 and iban.is_valid(number, check_country=False):
                yield Finding(match.start(), match.start() + end, "iban", number)
                break


def social_security_numbers(text: str) -> Iterator[Finding]:
    """Area, group and serial of an American number with its hyphens; without them only after a telling word."""
    from stdnum.us import ssn

    for match in _SSN.finditer(text):
        if ssn.is_valid(match[0]) and not is_called_otherwise(text, match.start()):
            yield Finding(*match.span(), "us_ssn", _bare(match[0]))
    for match in _SSN_CALLED.finditer(text):
        number = _bare(match[1])
        if ssn.is_valid(number):
            yield Finding(*match.span(1), "us_ssn", number)


def _bare(number: str) -> str:
    return re.sub(r"[^0-9X]", "", number.upper())
