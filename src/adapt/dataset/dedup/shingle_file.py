"""The shingle sets of all records on disk: the texts can go, and similarity can still be measured.

Sets are read one run of them after the other, and the file is not mapped: a system may map half a megabyte around each page that is touched, and all
of that counts as memory of the process. A small file is read once, as a whole: nearly all of its cost would be calls.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.shingles import rows_of_like_length

_BYTES = 4
_CELLS_AT_ONCE = 1 << 20
_PAIRS_AT_ONCE = 1 << 14
_HELD_BYTES = 1 << 25
"""A file of no more is held in memory."""


class ShingleFile:
    """Sets in the order in which they were appended. The file is gone when the context is left."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w+b")
        self._counts: list[NDArray[np.int64]] = []
        self._written = 0
        self._held: bytes | None = None
        self._starts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._sizes: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
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
        self.reopen()

    def replace(self, record: int, values: NDArray[np.uint32]) -> None:
        """Give a record another set; `reopen` follows before anything is read."""
        self._file.write(values.astype("<u4", copy=False).data)
        self._starts[record], self._sizes[record] = self._written, len(values)
        self._written += len(values)

    def reopen(self) -> None:
        """Open what was replaced for reading."""
        self._file.flush()
        size = self._written * _BYTES
        self._held = os.pread(self._file.fileno(), size, 0) if size <= _HELD_BYTES else None

    def sizes(self) -> NDArray[np.int64]:
        """How many shingles each record has."""
        return self._sizes

    def of(self, record: int) -> NDArray[np.uint32]:
        """The shingles of one record, ascending."""
        return self.gather(np.array([record]))[0]

    def gather(self, records: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The shingles of several records, one after the other, and how many each has."""
        counts = self._sizes[records]
        starts = self._starts[records]
        opens = np.flatnonzero(np.append(True, starts[1:] != starts[:-1] + counts[:-1])[: len(records)])
        lasts = np.append(opens[1:], len(records))[: len(opens)] - 1
        lengths = (starts[lasts] + counts[lasts] - starts[opens]) * _BYTES
        runs = zip(lengths.tolist(), (starts[opens] * _BYTES).tolist(), strict=True)
        return np.frombuffer(b"".join([self._read(length, start) for length, start in runs]), dtype="<u4"), counts

    def _read(self, length: int, start: int) -> bytes:
        return os.pread(self._file.fileno(), length, start) if self._held is None else self._held[start : start + length]

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

    def _distinct(self, left: NDArray[np.int64], right: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many different shingles each pair has. Both sets stand in one row, filled up with their last elements, which is then sorted."""
        rows = np.empty((len(left), 2 * places.shape[1]), dtype=np.uint32)
        for records, half in ((left, rows[:, : places.shape[1]]), (right, rows[:, places.shape[1] :])):
            values, counts = self.gather(records)
            half[:] = values[(np.cumsum(counts) - counts)[:, None] + np.minimum(places, counts[:, None] - 1)]
        rows.sort(axis=1)
        return np.asarray(1 + np.count_nonzero(rows[:, 1:] != rows[:, :-1], axis=1))
