"""Texts in the form in which they are compared: what differs only in case, width, spacing or punctuation is equal.

Enters: texts. Leaves: the code points that are kept, of all texts in one array, and where gaps were between them. Text is folded
by NFKC (full and half width) and case folding; control and format characters vanish; spaces and punctuation become gaps. In numbers
a mark can carry the meaning, so decimal points, signs, percent signs and the like stay, and separators of thousands vanish.
Done for many texts at once in numpy: a tenth of the time that a loop over them takes.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from adapt.text.scripts import UNSPACED

_KEPT, _GAP, _REMOVED, _DIGIT = 0, 1, 2, 3
_END = "\0"
_BETWEEN_DIGITS = "./:*"
"""Marks that stay between two digits."""
_SPACES = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85"
"""Control characters that part words."""
_DROPPED_SYMBOLS = "`|~"
"""Symbols that Markdown uses as punctuation."""


@dataclass(frozen=True)
class NormalText:
    """Several texts, one after the other."""

    codes: NDArray[np.uint32]
    """Kept code points of all texts."""
    starts: NDArray[np.int64]
    """Where each text starts in `codes`; one more than there are texts."""
    gap_before: NDArray[np.bool_]
    """Whether a gap, or the start of its text, stands before each code point."""
    digit: NDArray[np.bool_]
    """Whether each code point is a digit."""

    @property
    def count(self) -> int:
        """How many texts."""
        return len(self.starts) - 1

    def unspaced(self) -> NDArray[np.bool_]:
        """Which code points belong to scripts without spaces between words."""
        return unspaced_table()[self.codes]


def normalise(texts: Sequence[str]) -> NormalText:
    """The texts in normal form."""
    folded = "".join(_folded(text.replace(_END, " ")) + _END for text in texts)
    codes = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    ends = codes == 0
    kinds = _classes()[codes]
    digit = kinds == _DIGIT
    _settle_numbers(codes, kinds, digit)
    kept = ((kinds == _KEPT) | digit) & ~ends
    position = np.cumsum(kept)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), position[ends]])
    gap_before = _gaps(kinds == _GAP, kept, ends)
    return NormalText(codes[kept], starts.astype(np.int64), gap_before, digit[kept])


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()  # what the other line gives, in a tenth of the time
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _settle_numbers(codes: NDArray[np.uint32], kinds: NDArray[np.uint8], digit: NDArray[np.bool_]) -> None:
    """Keep the marks that belong to numbers, and remove the commas of thousands, in `kinds`."""
    before, after = _shifted(digit, 1), _shifted(digit, -1)
    between = before & after
    for mark in _BETWEEN_DIGITS:
        kinds[between & (codes == ord(mark))] = _KEPT
    kinds[after & (codes == ord("-"))] = _KEPT
    kinds[before & (codes == ord("%"))] = _KEPT
    three = after & _shifted(digit, -2) & _shifted(digit, -3) & ~_shifted(digit, -4)
    kinds[before & three & (codes == ord(","))] = _REMOVED


def _shifted(flags: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """`flags` moved right by `by` places (left when negative), False at the edge."""
    moved = np.zeros_like(flags)
    if by > 0:
        moved[by:] = flags[:-by]
    else:
        moved[:by] = flags[-by:]
    return moved


def _gaps(gap: NDArray[np.bool_], kept: NDArray[np.bool_], ends: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """For each kept code point, whether a gap or an end lies between it and the kept one before."""
    seen = np.cumsum(gap | ends)[kept]
    first = np.ones(min(1, len(seen)), dtype=bool)
    return np.concatenate([first, seen[1:] != seen[:-1]])


@cache
def unspaced_table() -> NDArray[np.bool_]:
    """Whether each code point belongs to a script without spaces."""
    table = np.zeros(0x110000, dtype=bool)
    for first, last in UNSPACED:
        table[first : last + 1] = True
    return table


@cache
def _classes() -> NDArray[np.uint8]:
    """The class of every code point; those above the third plane are private or marks, and vanish."""
    table = np.full(0x110000, _REMOVED, dtype=np.uint8)
    by_category = {"Nd": _DIGIT, "Cc": _REMOVED, "Cf": _REMOVED, "Cs": _REMOVED, "Co": _REMOVED, "Cn": _REMOVED}
    for code, letter in enumerate(map(chr, range(0x40000))):
        category = unicodedata.category(letter)
        table[code] = _GAP if category[0] in "ZP" else by_category.get(category, _KEPT)
    for symbol in (*_SPACES, *_DROPPED_SYMBOLS):
        table[ord(symbol)] = _GAP
    return table
