"""Finds numbers that prove themselves: cards, accounts, American social security numbers. A number whose checksum fails stays: masking it
would damage docket numbers, barcodes and amounts. Checksums are those of python-stdnum."""

import re
from collections.abc import Iterator

from adapt.corpus.pii.kinds import ANY, APART, END, NO_ACCOUNT, START, Finding, bare, is_amount, is_called_otherwise

_LONG = re.compile(rf"[0-9](?:{ANY}[0-9]){{12}}")
"""Thirteen digits: no card has fewer, and few texts have as many."""
_SAME = r"(?:\1|\s{0,2}\n\s{0,8})"
_CARDS = tuple(
    re.compile(START + NO_ACCOUNT + shape + END)
    for shape in (
        rf"\d{{4}}({APART}{{1,3}})\d{{4}}{_SAME}\d{{4}}{_SAME}\d{{4}}{_SAME}\d{{1,3}}",
        rf"\d{{4}}({APART}{{1,3}})\d{{4}}{_SAME}\d{{4}}{_SAME}\d{{1,4}}",
        rf"\d{{4}}({APART}{{1,3}})\d{{6}}{_SAME}\d{{4,5}}",
        rf"\d{{6}}{APART}{{1,3}}\d{{7,13}}",
        r"\d{13,19}",
    )
)
"""As they stand on cards and in forms."""
_CARD_TOLD = re.compile(
    r"(?:卡号|卡號|银行卡|銀行卡|信用卡|储蓄卡|借记卡|账号|帐号|帳號|账户|帐户|(?i:\b(?:visa|mastercard"
    r"|card|credit|debit|kreditkarte|carte|карт\w{1,2})\b)|カード)"
    rf"[^0-9\n]{{0,16}}\n?\s{{0,4}}((?<![0-9A-Za-z])[0-9](?:{ANY}[0-9]){{12,18}})(?![0-9A-Za-z])"
)
"""Behind a telling word the digits may stand in any groups."""
_CARD_END = re.compile(r"[0-9](?![0-9])")
_SCHEMES = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
    r"|35(?:2[89]|[3-8]\d)\d{12,15}|(?:50|5[6-9]|6\d)\d{14,17}|9[4589]\d{14,17}"
)
"""Visa, Mastercard, American Express, Diners Club, JCB, UnionPay with Maestro and Discover, older Chinese cards; each at its lengths."""
_IBAN = re.compile(rf"(?<![0-9A-Za-z])[A-Za-z]{{2}}{APART}?\d\d(?:{APART}{{0,2}}\n?[0-9A-Za-z]){{11,30}}(?![0-9A-Za-z])")
_NO_SIGN = re.compile("[^0-9A-Za-z]+")
_GROUP_END = re.compile(r"[0-9A-Za-z](?![0-9A-Za-z])")
_SSN = re.compile(rf"{START}(?<![0-9A-Za-z]-)\d{{3}}-{{1,2}}\d{{2}}-{{1,2}}\d{{4}}{END}(?!-[0-9])")
_SSN_QUICK = re.compile("[0-9]-{1,2}[0-9]{2}-{1,2}[0-9]{4}")
_SSN_SIGN = re.compile("[Ss社](?:SN|sn|OCIAL|ocial|[会安])")
_SSN_CALLED = re.compile(
    r"(?i:\bSSN\b|social[ -]security(?: (?:number|no\b|num\b|#))?|社会(?:安全|保险)号码?"
    r"|社安号码?)[^0-9A-Za-z]{0,4}"
    rf"(?:is |was |为|是)?[^0-9]{{0,2}}([0-9](?:{ANY}[0-9]){{8}}){END}"
)


def cards(text: str) -> Iterator[Finding]:
    """ISO/IEC 7812: 13 to 19 digits of a scheme, in one piece or grouped as on cards, the last of them Luhn's check digit."""
    if not _LONG.search(text):
        return
    for shape in _CARDS:
        for match in shape.finditer(text):
            digits = bare(match[0])
            if _is_card(digits) and not _is_other(text, match):
                yield Finding(*match.span(), "bank_card", digits)
    for match in _CARD_TOLD.finditer(text):
        for end in reversed([group.end() for group in _CARD_END.finditer(match[1])]):
            digits = bare(match[1][:end])
            if _is_card(digits):
                yield Finding(match.start(1), match.start(1) + end, "bank_card", digits)
                break


def _is_card(digits: str) -> bool:
    from stdnum import luhn

    return _SCHEMES.fullmatch(digits) is not None and bool(luhn.is_valid(digits))


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
            number = _NO_SIGN.sub("", match[0][:end]).upper()
            if 15 <= len(number) <= 34 and iban.is_valid(number, check_country=False):
                yield Finding(match.start(), match.start() + end, "iban", number)
                break


def social_security_numbers(text: str) -> Iterator[Finding]:
    """Area, group and serial of an American number with its hyphens; without them only after a telling word."""
    from stdnum.us import ssn

    for match in _SSN.finditer(text) if _SSN_QUICK.search(text) else ():
        if ssn.is_valid(bare(match[0])) and not is_called_otherwise(text, match.start()):
            yield Finding(*match.span(), "us_ssn", bare(match[0]))
    for match in _SSN_CALLED.finditer(text) if _SSN_SIGN.search(text) else ():
        number = bare(match[1])
        if ssn.is_valid(number):
            yield Finding(*match.span(1), "us_ssn", number)
