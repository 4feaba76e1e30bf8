"""The shingle sets of all records on disk: the texts can go, and similarity can still be measured.

Pages that were read count as memory of the process until they are given back, so they are given back after every `_READ_AT_MOST` bytes;
the system's cache still has them.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.shingles import rows_of_like_length

_READ_AT_MOST = 1 << 26
_PAGES_OF_A_READ = 1 << 15
"""Bytes that come into memory with a read, however short: a system maps the neighbours of a page along with it."""
_CELLS_AT_ONCE = 1 << 20
_PAIRS_AT_ONCE = 1 << 14


class Index(Protocol):
    """Something made from a file of shingles that lives no longer than it."""

    def close(self) -> None:
        """Remove it."""


class ShingleFile:
    """Sets in the order in which they were appended. The file is gone when the context is left."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w+b")
        self._counts: list[NDArray[np.int64]] = []
        self._map: mmap.mmap | None = None
        self._values: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        self._read = 0
        self.index: Index | None = None
        """What was last made to search it (see `prefixes`)."""
        self._written = 0
        self._starts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._sizes: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.drop_index()
        self._values = np.zeros(0, dtype=np.uint32)
        self._map = None  # unmapped with the last array that looks into it
        self._file.close()
        self.path.unlink(missing_ok=True)

    def append(self, values: NDArray[np.uint32], counts: NDArray[np.int64]) -> None:
        """Add the sets that `shingle` gave for the next texts."""
        self._file.write(values.astype("<u4", copy=False).data)
        self._written += len(values)
        self._counts.append(counts)

    def finish(self) -> None:
        """Open what was written for reading."""
        self._sizes = np.concatenate([np.zeros(0, dtype=np.int64), *self._counts])
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._counts.clear()
        self._open()

    def replace(self, record: int, values: NDArray[np.uint32]) -> None:
        """Give a record another set; `reopen` follows before anything is read."""
        self._file.write(values.astype("<u4", copy=False).data)
        self._starts[record], self._sizes[record] = self._written, len(values)
        self._written += len(values)

    def reopen(self) -> None:
        """Open what was replaced for reading."""
        self.drop_index()
        self._open()

    def drop_index(self) -> None:
        """Close the index, when there is one."""
        if self.index is not None:
            self.index.close()
            self.index = None

    def sizes(self) -> NDArray[np.int64]:
        """How many shingles each record has."""
        return self._sizes

    def of(self, record: int) -> NDArray[np.uint32]:
        """The shingles of one record, ascending."""
        return np.array(self._values[self._starts[record] : self._starts[record] + self._sizes[record]])

    def gather(self, records: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The shingles of several records, one after the other, and how many each has."""
        counts = self._sizes[records]
        shift = self._starts[records] - (np.cumsum(counts) - counts)
        values = self._values[np.arange(int(counts.sum())) + np.repeat(shift, counts)]
        self._gave(len(records), len(values))
        return values, counts

    def parts(self, members: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Places of members in pieces of bounded size, in order; those without shingles are left out."""
        sizes = self._sizes[members]
        places = np.flatnonzero(sizes)
        if len(places):
            piece = np.cumsum(sizes[places]) // _CELLS_AT_ONCE
            yield from np.split(places, np.flatnonzero(np.diff(piece)) + 1)

    def similarity(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Jaccard similarity of each pair of records, none of them empty: shared shingles over all shingles of both."""
        one, other = self._sizes[left], self._sizes[right]
        found = np.empty(len(left), dtype=np.float64)
        for begin in range(0, len(left), _PAIRS_AT_ONCE):
            for numbers, places in rows_of_like_length(np.maximum(one, other)[begin : begin + _PAIRS_AT_ONCE]):
                pairs = numbers + begin
                both = one[pairs] + other[pairs]
                union = self._distinct(left[pairs], right[pairs], places)
                found[pairs] = (both - union) / union
        return found

    def _open(self) -> None:
        self._file.flush()
        if self._written:
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
            self._values = np.frombuffer(self._map, dtype="<u4")

    def _distinct(self, left: NDArray[np.int64], right: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many different shingles each pair has. Both sets stand in one row, filled up with their last elements, which is then sorted."""
        rows = np.empty((len(left), 2 * places.shape[1]), dtype=np.uint32)
        for records, half in ((left, rows[:, : places.shape[1]]), (right, rows[:, places.shape[1] :])):
            half[:] = self._values[self._starts[records][:, None] + np.minimum(places, self._sizes[records][:, None] - 1)]
        self._gave(2 * len(left), rows.size)
        rows.sort(axis=1)
        return np.asarray(1 + np.count_nonzero(rows[:, 1:] != rows[:, :-1], axis=1))

    def _gave(self, records: int, values: int) -> None:
        """Keep count of what was read, and give its pages back in time."""
        self._read += records * _PAGES_OF_A_READ + values * 4
        if self._read > _READ_AT_MOST and self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0
