"""One form for the many ways of writing a sign: full-width letters and digits, spaces, dashes and brackets of every kind.

Each character becomes one character, so a place in the folded text is the same place in the text.
"""

import re

DIGITS = "0-9\uff10-\uff19"
"""Digits as texts write them; inside a class of characters."""
BETWEEN = (
    " \n\r.\\-/()\\[\\]\u00a0\u00ad\u00b7\u1680\u2000-\u200f\u2010-\u2015\u2022\u2024\u2027\u202f\u2043\u2044\u205f\u2060\u2215"
    "\u2500\u2e3a\u2e3b\u3000\u3010\u3011\u30fb\u30fc\ufe58\ufe63\ufeff\uff08\uff09\uff0d\uff0e\uff0f\uff3b\uff3d\uff65"
)
"""What may stand between the digits of one number; inside a class of characters, not folded. A tab divides columns."""

_FULL_WIDTH = {0xFEE0 + code: code for code in range(0x30, 0x7B) if chr(code).isalnum()}
_FORMS = {
    " ": "\r\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000",
    "-": "\u2010-\u2015\u2043\u2500\u2e3a\u2e3b\u30fc\ufe58\ufe63\uff0d",
    ".": "\u2024\uff0e",
    "/": "\u2044\u2215\uff0f",
    "\u00b7": "\u2022\u2027\u30fb\uff65",
    "(": "\uff08",
    ")": "\uff09",
    "[": "\u3010\uff3b",
    "]": "\u3011\uff3d",
    "\u200b": "\u00ad\u200c-\u200f\u2060\ufeff",
    "@": "\uff20",
    "+": "\uff0b",
    "%": "\uff05",
    "_": "\uff3f",
}
"""A sign and what stands for it. The minus sign U+2212 is none of the dashes: it belongs to calculations."""


def _codes(ranges: str) -> list[int]:
    return [code for first, last in re.findall(r"(.)(?:-(.))?", ranges, re.DOTALL) for code in range(ord(first), ord(last or first) + 1)]


_TABLE = _FULL_WIDTH | {code: ord(sign) for sign, forms in _FORMS.items() for code in _codes(forms)}
_UNUSUAL = re.compile(f"[{''.join(forms for forms in _FORMS.values())}\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")


def between_codes() -> list[int]:
    """The characters of BETWEEN as code points."""
    return [ord("-"), *_codes(BETWEEN.replace("\\-", "").replace("\\", ""))]


def fold(text: str) -> str:
    """The text with one sign for each kind of sign, of the same length."""
    return text.translate(_TABLE) if not text.isascii() and _UNUSUAL.search(text) else text
