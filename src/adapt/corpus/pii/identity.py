"""Finds identity numbers of the mainland, Hong Kong, Macau and Taiwan, however their digits are grouped.

They prove themselves by check digits; where one digit alone proves them, or none, a telling word must stand beside
them or the text be of their place.
"""

import re
from collections.abc import Iterator
from datetime import date

from adapt.corpus.pii.kinds import ANY, Finding, bare, is_called_otherwise
from adapt.corpus.pii.tongues import TRADITIONAL

_PROVINCE = rf"(?:1{ANY}[1-5]|2{ANY}[1-3]|3{ANY}[1-7]|4{ANY}[1-6]|5{ANY}[0-4]|6{ANY}[1-5]"
_DIGIT = rf"(?:{ANY}[0-9])"
_CN_ID = re.compile(
    rf"(?<![0-9])(?<![0-9][.,]){_PROVINCE}|[78]{ANY}1|8{ANY}[23]"
    rf"|9{_DIGIT}){_DIGIT}{{4}}({_DIGIT}{{8}}){_DIGIT}{{3}}"
    rf"{ANY}[0-9Xx×✕╳ХхΧχ](?![0-9])(?![.,][0-9])"
)
"""Province (GB/T 2260; 71, 81 to 83 for residents from Taiwan, Hong Kong and Macau, 9 for those from abroad), county, birth date,
sequence, check character."""
_CROSS = re.compile("[×✕╳ХхΧχx]")
"""What is written for the X that stands for ten."""
_CN_ID_OLD = re.compile(rf"(?<![0-9A-Za-z])(?<![0-9][.,]){_PROVINCE}){_DIGIT}{{13}}(?![0-9A-Za-z])(?![.,][0-9])")
_CN_ID_TOLD = re.compile(
    r"(?:身份证|身分证|身份證|身分證|身份号|身份號|证件号|證件號|公民身份|居住[证證]|居留[证證]|(?i:identity (?:card|number)"
    r"|\bID (?:card|number|no\b)|\bchinese ID\b))"
    r"[^0-9]{0,16}$"
)
_LONG = re.compile(rf"[0-9](?:{ANY}[0-9]){{12}}")
"""Thirteen digits: few texts have as many."""

_HONG_KONG = re.compile(r"(?<![0-9A-Za-z])([A-Z]{1,2}) ?([0-9]{6}|[0-9]{3}[ \-][0-9]{3}) ?(\(\s?[0-9A]\s?\)|\[[0-9A]\]|[\-/]?[0-9A])(?![0-9A-Za-z])")
_LETTERED = re.compile(r"[0-9](?:(?<=[A-Z].)|(?<=[A-Z][ \-].))[0-9 \-]{2}")
_MACAU = re.compile(r"(?<![0-9A-Za-z])[1578](?:[0-9]{6}|/[0-9]{6}/)(?:\([0-9]\)|[0-9])(?![0-9A-Za-z])")
_TAIWAN = re.compile(r"(?<![0-9A-Za-z])([A-Z])[ \-]?([1289A-D](?:[ \-]?[0-9]){8})(?![0-9A-Za-z])(?!-[0-9A-Z])")
_CARD_BEFORE = re.compile(
    r"(?:身[份分][证證]|身[份分]号|身[份分]字号|[证證]件|[证證][号號]|居留[证證]|[统統]一[编編][号號]"
    r"|HKID|\bI\.?D\.?\b|identity|居民)[^。！？;；]{0,24}$",
    re.IGNORECASE,
)
_CARD_AFTER = re.compile(r"[^0-9。！？;；]{0,10}(?:身[份分][证證]|HKID)", re.IGNORECASE)
_MACAU_BEFORE = re.compile(r"(?:澳[门門]|Maca[uo]|BIR)[^。！？;；]{0,32}$", re.IGNORECASE)
_FORMER = re.compile(r"[A-D](?<=[A-Z].)[0-9]{8}")
"""Two letters, as residents from abroad had them until 2021."""
_LETTERS = {letter: 10 + at for at, letter in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO")}
"""The letter of the place of first registration as two digits; they are not in the order of the alphabet."""


def identity_numbers(text: str) -> Iterator[Finding]:
    """GB 11643: 17 digits that hold a birth date, and an ISO 7064 MOD 11-2 check character, or a telling word before it.

    The form of 15 digits has no check digit: it needs a telling word, or a county that there was (python-stdnum's list) and a birth date.
    """
    from stdnum.iso7064 import mod_11_2

    if not _LONG.search(text):
        return
    for match in _CN_ID.finditer(text):
        number = _with_check_letter(match[0])
        if _is_birth_date(bare(match[1])) and (mod_11_2.is_valid(number) or _is_told(text, match.start())):
            yield Finding(*match.span(), "cn_id", number)
    for match in _CN_ID_OLD.finditer(text):
        digits = bare(match[0])
        if _is_birth_date("19" + digits[6:12]) and _is_old(text, match, digits):
            number = f"{digits[:6]}19{digits[6:]}"
            yield Finding(*match.span(), "cn_id", number + mod_11_2.calc_check_digit(number))


def _is_told(text: str, begin: int) -> bool:
    """Whether a word right before calls the number one of an identity card: then it is personal, mistyped or not."""
    return _CN_ID_TOLD.search(text[max(begin - 40, 0) : begin]) is not None and not is_called_otherwise(text, begin)


def _with_check_letter(number: str) -> str:
    return re.sub("[^0-9X]", "", _CROSS.sub("X", number[:-1].replace("x", "") + number[-1]))


def _is_old(text: str, match: re.Match[str], digits: str) -> bool:
    if _is_told(text, match.start()):
        return True
    one_piece = re.fullmatch(r"[0-9]{15}|[0-9]{6}([ \-])[0-9]{6}\1[0-9]{3}", match[0])
    return one_piece is not None and not is_called_otherwise(text, match.start()) and _is_county(digits)


def _is_county(digits: str) -> bool:
    from stdnum.cn import ric
    from stdnum.exceptions import ValidationError

    try:
        return bool(ric.get_birth_place(f"{digits[:6]}19{digits[6:]}0"))
    except (ValidationError, KeyError):  # a province without the county
        return False


def _is_birth_date(digits: str) -> bool:
    try:
        return 1850 <= date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year < 2100
    except ValueError:
        return False


def hong_kong_numbers(text: str) -> Iterator[Finding]:
    """A letter or two, six digits, and a check character (modulo 11), which stands in brackets or behind a telling word."""
    for match in _HONG_KONG.finditer(text) if _LETTERED.search(text) else ():
        letters, digits, check = match[1], bare(match[2]), match[3].strip("()[]-/ ")
        values = [36, *(ord(letter) - 55 for letter in letters)][-2:] + [int(digit) for digit in digits]
        total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
        if "0123456789A"[-total % 11] != check:
            continue
        if match[3][0] in "([" or is_card(text, match):
            yield Finding(*match.span(), "national_id", f"{letters}{digits}{check}")


def macau_numbers(text: str) -> Iterator[Finding]:
    """Eight digits of Macau's resident identity card; its check digit is not published, so words must tell."""
    for match in _MACAU.finditer(text) if "澳" in text or "Maca" in text or "BIR" in text else ():
        if _MACAU_BEFORE.search(text[max(match.start() - 40, 0) : match.start()]) and is_card(text, match):
            yield Finding(*match.span(), "national_id", bare(match[0]))


def taiwan_numbers(text: str) -> Iterator[Finding]:
    """A letter and nine digits, the last of them a check digit (modulo 10); numbers of residents from abroad too."""
    for match in _TAIWAN.finditer(text) if _LETTERED.search(text) or _FORMER.search(text) else ():
        rest = re.sub("[ -]", "", match[2])
        second = str(_LETTERS[rest[0]] % 10) if rest[0].isalpha() else rest[0]  # the form until 2021
        values = [*map(int, str(_LETTERS[match[1]]) + second + rest[1:])]
        if sum(value * weight for value, weight in zip(values, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10:
            continue
        if is_card(text, match) or (TRADITIONAL.search(text) and not is_called_otherwise(text, match.start())):
            yield Finding(*match.span(), "national_id", match[1] + rest)


def is_card(text: str, match: re.Match[str]) -> bool:
    """Whether words beside a number call it one of an identity card."""
    begin, end = match.span()
    before = _CARD_BEFORE.search(text[max(begin - 40, 0) : begin])
    return (before is not None and not is_called_otherwise(text, begin)) or _CARD_AFTER.match(text[end : end + 20]) is not None
