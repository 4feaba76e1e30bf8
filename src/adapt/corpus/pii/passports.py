"""Finds passport numbers: they have no checksum of their own, so a word must stand beside them, or they stand in a machine-readable zone."""

import re
from collections.abc import Iterator

from adapt.corpus.pii.kinds import Finding

_FORM = (
    r"(?:[A-Z]{1,3} ?[0-9]{6,8}|[A-Z]{1,2} [0-9]{4} [0-9]{4}|[0-9]{2}[A-Z]{2}[0-9]{5}|[0-9]{8,9}"
    r"|[0-9]{2} [0-9]{7}"
    r"|(?=(?:[A-Z]*[0-9]){4})[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8})"
)
"""One to three letters before digits (most countries), French, digits only (American, British), Russian, German."""
_CALLED = re.compile(
    r"(?:[护護]照|(?i:passport|reisepass|passeport|pasaporte)|パスポ-ト|여권|паспорт\w{0,3})(?:本"
    r"|(?i:s? ?-?(?:no\b\.?|numbers?|num\b|nr\b\.?|nummer|id\b|#)))?(?:号码|號碼|编号|证号|番号|번호|号"
    r"|號)?"
    r"(?:[^0-9A-Za-z。\n]{0,10}?[,，](?:号码|號碼|编号|編號))?"
    r"\s{0,2}[,，(（:：=#№]?\s{0,2}(?:(?i:is|was|ist|est|es|n°)\s|[为為是は])?[:：\s]{0,2}"
    rf"({_FORM})(?![0-9A-Za-z])(?!-[0-9])"
)
_OTHER = re.compile("[PpПпパ여](?:asse?port|ASSE?PORT|asaporte|ASAPORTE|(?<=eise.)ass|(?<=EISE.)ASS|аспорт|スポ-ト|권)")
_HELD = re.compile(rf"(?<![0-9A-Za-z])({_FORM})(?:[号號](?:的)?|的)?(?:因私|普通)?[护護]照")
_ZONE = re.compile(
    r"(?:(?<![0-9A-Z<])P[A-Z<][A-Z]{3}[A-Z<]{39}\s+)?"
    r"(?<![0-9A-Z<])([A-Z0-9<]{9}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[A-Z0-9<]{14}[0-9<][0-9])(?![0-9A-Z<])"
)
"""ICAO 9303, the two lines of 44 characters; the first holds the name."""


def passports(text: str) -> Iterator[Finding]:
    """Numbers next to the word passport, and machine-readable zones whose check digits are right, both lines of them."""
    if "<<" in text:
        for match in _ZONE.finditer(text):
            if _is_zone(match[1]):
                yield Finding(*match.span(), "passport", match[1][:9].rstrip("<"))
    for pattern in (_CALLED, _HELD) if "护照" in text or "護照" in text or _OTHER.search(text) else ():
        for match in pattern.finditer(text):
            yield Finding(*match.span(1), "passport", match[1].replace(" ", ""))


def _is_zone(line: str) -> bool:
    """Whether the check digits of number, birth date, expiry and the whole second line are right."""
    parts = ((line[:9], line[9]), (line[13:19], line[19]), (line[21:27], line[27]), (line[:10] + line[13:20] + line[21:43], line[43]))
    return all(_check_digit(part) == int(digit) for part, digit in parts)


def _check_digit(field: str) -> int:
    """ICAO 9303: digits count as such, A to Z as 10 to 35, fillers as 0; weights 7, 3, 1; the sum modulo 10."""
    return sum((0 if mark == "<" else int(mark, 36)) * (7, 3, 1)[at % 3] for at, mark in enumerate(field)) % 10
