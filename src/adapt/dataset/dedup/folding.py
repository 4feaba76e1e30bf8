"""Texts as rows of units (words; single characters of scripts without spaces) that know where they stand in the text.

Enters: texts. Leaves: a hash of each unit and its place in the original. Unlike the normal form, which whole texts are compared by, each
character is folded by itself, so that a run of units that two texts share can be shown, and cut, where it was written.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.letters import LetterTable, read_codes
from adapt.dataset.dedup.normal import fold, unspaced
from adapt.dataset.dedup.shingles import hash_runs, mix

_LAST_USED = 0x40000
_ODD = np.uint64(0x9E3779B97F4A7C15)


class Units(NamedTuple):
    """The units of several texts, one text after the other."""

    hashes: NDArray[np.uint64]
    begins: NDArray[np.int64]
    """First character of each unit in its text."""
    ends: NDArray[np.int64]
    """The one after its last."""
    starts: NDArray[np.int64]
    """Where each text starts among the units; one more than there are texts."""
    unspaced: NDArray[np.bool_]
    """Which texts have more characters of scripts without spaces than others."""


def read_units(texts: Sequence[str]) -> Units:
    """The units of texts. Punctuation and spaces part words, and are nothing else."""
    folded = _folds(read_codes("".join(texts)))
    kept = np.flatnonzero(folded)
    folded = folded[kept]
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    alone = unspaced(folded) == 1
    opens = np.ones(len(kept), dtype=bool)
    opens[1:] = (kept[1:] != kept[:-1] + 1) | alone[1:] | alone[:-1]
    first_of = np.searchsorted(kept, bounds)
    opens[first_of[first_of < len(kept)]] = True
    at = np.flatnonzero(opens)
    last = np.append(at[1:], len(kept))[: len(at)] - 1
    starts = np.searchsorted(at, first_of)
    shift = np.repeat(bounds[:-1], np.diff(starts))
    by_character = np.diff(np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(alone)])[first_of]) * 2 > np.diff(first_of)
    return Units(mix(hash_runs(folded, opens)), kept[at] - shift, kept[last] + 1 - shift, starts, by_character)


def roll(hashes: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """Hash of every run of `size` units, those across the ends of texts included."""
    if len(hashes) < size:
        return np.zeros(0, dtype=np.uint64)
    total, covered, rolled, done = np.zeros(len(hashes) - size + 1, dtype=np.uint64), 0, hashes, 1
    while True:  # a run of 2 m units is two runs of m
        power = np.uint64(pow(int(_ODD), done, 1 << 64))
        if size & done:
            total = total * power + rolled[covered : covered + len(total)]
            covered += done
        if covered == size:
            break
        rolled = rolled[: len(rolled) - done] * power + rolled[done:]
        done *= 2
    return mix(total)


def spans_of(units: Units, first: int, runs: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Characters of runs of units, each given by its first unit and the one after its last, counted from unit `first`."""
    return tuple((int(units.begins[first + begin]), int(units.ends[first + end - 1])) for begin, end in runs)


def _fold_letter(letter: str) -> int:
    """The letter, digit or mark that a letter counts as, case and width folded; 0 for what parts words."""
    folded = fold(letter)
    single = folded if len(folded) == 1 else letter
    return ord(single) if ord(letter) < _LAST_USED and unicodedata.category(single)[0] in "LMNS" else 0


_folds = LetterTable(lambda page: list(map(_fold_letter, page)), np.uint32)
