"""Shingles: the overlapping runs of words (or of characters, in scripts without spaces) that make up a text, as hashes.

Enters: texts in normal form. Leaves: for each the set of its shingles, ascending. A text is read by characters when most of its letters
belong to scripts without spaces. A shingle is kept as 32 bits: two texts of 700 shingles share one by accident once in 10,000 pairs, which
moves their similarity by less than 0.001. Sets are sorted as rows of a matrix, texts of like length together: short rows are sorted in
registers, a tenth of the time that one long array takes.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.normal import NormalText

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_CELLS_AT_ONCE = 1 << 18
_BASE = 0xD6E8FEB86659FD93
"""Of a unit's polynomial. Another number than that which runs of units are hashed with: letters of neighbouring words would be added up otherwise."""
_POWERS_KEPT = 1 << 18
"""So many powers are kept: enough for a piece of texts, but not for a longer text."""


def shingle(normal: NormalText, *, words: int, characters: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The distinct shingles of each text, ascending, one text after the other, and how many each has.

    `words` and `characters` are the lengths of a shingle in the two ways of reading. A text shorter than that is one shingle.
    """
    units, counts, by_character = unit_hashes(normal)
    hashes, windows = _windows(units, counts, np.where(by_character, characters, words))
    return _distinct((mix(hashes) >> np.uint64(32)).astype(np.uint32), windows)


def unit_hashes(normal: NormalText) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.bool_]]:
    """Hashes of the units of all texts, how many each text has, and which texts are read by characters. A unit is a word or a character."""
    lengths = np.diff(normal.starts)
    by_character = normal.unspaced() * 2 > lengths
    if by_character.all():
        return normal.codes.astype(np.uint64), lengths, by_character
    opens = normal.gap_before | np.repeat(by_character, lengths) if by_character.any() else normal.gap_before
    counts = np.diff(np.searchsorted(np.flatnonzero(opens), normal.starts))
    return hash_runs(normal.codes, opens), counts, by_character


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): every bit of a value reaches every bit of the result."""
    mixed = values >> np.uint64(30)
    mixed ^= values
    mixed *= _MIX[0]
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX[1]
    mixed ^= mixed >> np.uint64(31)
    return mixed


def rows_of_like_length(counts: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Divides lists of those lengths into pieces that fill a matrix well: numbers of the lists, and for each row and column the place in its list.

    A row shorter than the matrix repeats its last element. Empty lists are left out.
    """
    order = np.argsort(counts, kind="stable")
    order = order[np.searchsorted(counts[order], 1) :]
    begin = 0
    while begin < len(order):
        shortest = int(counts[order[begin]])
        end = begin + int(np.searchsorted(counts[order[begin:]], shortest + shortest // 4 + 4, side="right"))
        end = min(end, begin + max(1, _CELLS_AT_ONCE // shortest))
        numbers = order[begin:end]
        width = int(counts[numbers[-1]])
        yield numbers, np.minimum(np.arange(width), counts[numbers][:, None] - 1)
        begin = end


def hash_runs(codes: NDArray[np.unsignedinteger[Any]], opens: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Hash of each unit: a polynomial of its code points, modulo 2^64; of one code point, that code point.

    All units are taken from one running sum, that of `codes[i] * x^i`: a unit's part of it, divided by x^start.
    """
    starts = np.flatnonzero(opens)
    if not len(starts):
        return np.zeros(0, dtype=np.uint64)
    powers, inverses = _kept_powers() if len(codes) <= _POWERS_KEPT else _powers(len(codes))
    total = np.cumsum(codes * powers[: len(codes)], dtype=np.uint64)
    hashes = np.diff(total[np.append(starts[1:], len(codes)) - 1], prepend=total[starts[0] - 1] if starts[0] else np.uint64(0))
    return np.asarray(hashes * inverses[starts])


def _powers(count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first powers of an odd number, and of its inverse, modulo 2^64."""
    bases = (_BASE, pow(_BASE, -1, 1 << 64))
    made = [np.full(count, base, dtype=np.uint64) for base in bases]
    for powers in made:
        powers[0] = 1
        np.multiply.accumulate(powers, out=powers)
    return made[0], made[1]


@cache
def _kept_powers() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    return _powers(_POWERS_KEPT)


def _windows(units: NDArray[np.uint64], counts: NDArray[np.int64], sizes: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hash of every run of `sizes[text]` units inside a text (of all of them in a shorter one), text by text, and how many each text has."""
    sizes = np.minimum(sizes, counts)
    windows = np.where(counts > 0, counts - sizes + 1, 0)
    starts, firsts = np.cumsum(counts) - counts, np.cumsum(windows) - windows
    hashes = np.zeros(int(windows.sum()), dtype=np.uint64)
    for size in np.unique(sizes[counts > 0]).tolist():
        chosen = (sizes == size) & (counts > 0)
        rolled = units[: len(units) - size + 1].copy()  # across the ends of texts as well: that is cheaper than to leave them out
        for step in range(1, size):
            rolled *= _ODD
            rolled += units[step : len(units) - size + 1 + step]
        if chosen.all():
            inside = np.ones(len(units), dtype=bool)
            inside[(np.cumsum(counts)[:, None] - np.arange(1, size)).ravel()] = False
            return rolled[inside[: len(rolled)]], windows
        hashes[_places(firsts, windows, chosen)] = rolled[_places(starts, windows, chosen)]
    return hashes, windows


def _places(starts: NDArray[np.int64], lengths: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of the chosen runs, one run after the other."""
    starts, lengths = starts[chosen], lengths[chosen]
    shift = starts - (np.cumsum(lengths) - lengths)
    return np.asarray(np.arange(int(lengths.sum())) + np.repeat(shift, lengths))


def _distinct(values: NDArray[np.uint32], counts: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Each list sorted and without repeats."""
    starts = np.cumsum(counts) - counts
    kept = np.zeros(len(counts), dtype=np.int64)
    parts: list[tuple[NDArray[np.int64], NDArray[np.uint32]]] = []
    for numbers, places in rows_of_like_length(counts):
        rows = np.sort(values[starts[numbers][:, None] + places], axis=1)
        new = np.ones(rows.shape, dtype=bool)
        np.not_equal(rows[:, 1:], rows[:, :-1], out=new[:, 1:])
        kept[numbers] = new.sum(axis=1)
        parts.append((numbers, rows[new]))
    distinct = np.empty(int(kept.sum()), dtype=np.uint32)
    ends = np.cumsum(kept)
    for numbers, found in parts:
        distinct[_places(ends[numbers] - kept[numbers], kept[numbers], np.ones(len(numbers), dtype=bool))] = found
    return distinct, kept
