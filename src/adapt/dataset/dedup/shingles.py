"""Shingles: the overlapping runs of words (or of characters, in scripts without spaces) that make up a text, as hashes.

A text is read by characters when most of its letters belong to scripts without spaces. A shingle is kept as 32 bits: two texts of 700
shingles share one by accident once in 10,000 pairs, which moves their similarity by less than 0.001.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.normal import NormalText

_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def shingle(normal: NormalText, *, words: int, characters: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The distinct shingles of each text, ascending, one text after the other, and how many each has.

    `words` and `characters` are the lengths of a shingle in the two ways of reading. A text shorter than that is one shingle.
    """
    lengths = np.diff(normal.starts)
    owner = np.repeat(np.arange(normal.count), lengths)
    unspaced = np.bincount(owner, weights=normal.unspaced(), minlength=normal.count)
    by_character = unspaced * 2 > lengths
    opens_unit = normal.gap_before | by_character[owner]
    units = _unit_hashes(normal.codes, opens_unit)
    owner = owner[opens_unit]
    size = np.where(by_character, characters, words)
    hashes, owner = _windows(units, owner, size, normal.count)
    keys = np.sort((owner.astype(np.uint64) << np.uint64(32)) | (hashes >> np.uint64(32)))
    keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    return keys.astype(np.uint32), np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=normal.count)


def _unit_hashes(codes: NDArray[np.uint32], opens: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Hash of each unit (word or character): the sum of its code points' hashes, each turned by its place."""
    if not len(codes):
        return np.zeros(0, dtype=np.uint64)
    starts = np.flatnonzero(opens)
    place = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    turned = mix(codes.astype(np.uint64) + place.astype(np.uint64) * _ODD)
    return mix(np.add.reduceat(turned, starts))


def _windows(
    units: NDArray[np.uint64], owner: NDArray[np.int64], size: NDArray[np.int64], count: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Hash of every run of `size[text]` units inside a text, and the text that it belongs to."""
    ends = np.cumsum(np.bincount(owner, minlength=count))
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends[:-1]])
    last = np.maximum(ends - size, starts)
    place = np.arange(len(units))
    opens = np.flatnonzero(place <= last[owner])
    of = owner[opens]
    hashes = np.zeros(len(opens), dtype=np.uint64)
    for step in range(int(size.max(initial=0))):
        at = opens + step
        inside = (at < ends[of]) & (step < size[of])
        unit = units[np.minimum(at, len(units) - 1)]
        hashes = np.where(inside, mix(hashes * _ODD + unit), hashes)
    return hashes, of


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014): every bit of a value reaches every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


class ShingleFile:
    """The shingle sets of all records on disk: the texts can go, and similarity can still be measured."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._counts: list[NDArray[np.int64]] = []
        self.values: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        self.starts: NDArray[np.int64] = np.zeros(1, dtype=np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self.values = np.zeros(0, dtype=np.uint32)
        self._path.unlink(missing_ok=True)

    def append(self, values: NDArray[np.uint32], counts: NDArray[np.int64]) -> None:
        """Add the sets that `shingle` gave for the next texts."""
        self._file.write(values.tobytes())
        self._counts.append(counts)

    def finish(self) -> None:
        """Open what was written for reading."""
        self._file.close()
        self.starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate([np.zeros(0, dtype=np.int64), *self._counts]))])
        self._counts.clear()
        if self.starts[-1]:
            self.values = np.memmap(self._path, dtype=np.uint32, mode="r")

    def sizes(self) -> NDArray[np.int64]:
        """How many shingles each record has."""
        return np.diff(self.starts)

    def of(self, record: int) -> NDArray[np.uint32]:
        """The shingles of one record, ascending."""
        return self.values[self.starts[record] : self.starts[record + 1]]

    def gather(self, records: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The shingles of several records, one after the other, and how many each has."""
        counts = self.starts[records + 1] - self.starts[records]
        shift = self.starts[records] - (np.cumsum(counts) - counts)
        return self.values[np.arange(int(counts.sum())) + np.repeat(shift, counts)], counts

    def similarity(self, record: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
        """Jaccard similarity of a record to each of `others`, none of them empty: shared shingles over all shingles of both."""
        own = self.of(record)
        values, counts = self.gather(others)
        found = own[np.minimum(np.searchsorted(own, values), len(own) - 1)] == values
        shared = np.add.reduceat(found.astype(np.int64), np.cumsum(counts) - counts)
        return np.asarray(shared / (counts + len(own) - shared), dtype=np.float64)
