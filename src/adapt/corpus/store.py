"""Pieces in Arrow files, found by their keys or their places; a store is written once, and read by any number of processes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from adapt.corpus.spool import Span, joined

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_OPEN_FILES = 4
_KEPT_BATCHES = 4
_LONG = 8
"""Mean length from which runs of rows are long."""
_WORTH_READING = 16
"""A batch is read back only for so many of its rows, unless few batches are asked for: reading all for one row each costs more than it saves."""


class Stretch(NamedTuple):
    """Pieces that follow each other in a file."""

    path: Path
    spans: tuple[Span, ...]
    size: int
    """Roughly their bytes."""
    rows: int
    """Of all that the file holds."""


class Store:
    """Pieces in files, found by their keys or their places."""

    def __init__(self, folder: Path, name: str, index: dict[str, Any]) -> None:
        import numpy as np

        self._folder = folder
        self._files: list[tuple[str, int]] = index["files"]
        self._batches = [(file, Span(*span), size) for file, *span, size in index["batches"]]
        self._starts = np.cumsum([0, *(span.rows for _, span, _ in self._batches)])
        self._keys = np.load(folder / f"{name}-keys.npy", mmap_mode="r")
        self._rows = np.load(folder / f"{name}-rows.npy", mmap_mode="r")
        self._readers: dict[int, Any] = {}
        self._read: dict[int, pa.RecordBatch] = {}

    def find(self, keys: "NDArray[np.uint64]") -> "NDArray[np.int64]":
        """The place of the piece of each key, -1 where there is none; `keys` as `as_keys` gives them."""
        import numpy as np

        if not len(self._keys) or not len(keys):
            return np.full(len(keys), -1)
        at = np.searchsorted(self._first, keys[:, 0]).clip(max=len(self._first) - 1)
        found = (self._keys[at] == keys).all(axis=1) & keys.any(axis=1)
        return self._worthwhile(np.where(found, self._rows[at], -1))

    def woven(self, rows: "NDArray[np.int64]", fresh: "pa.RecordBatch") -> "pa.RecordBatch":
        """The pieces at these places, in the order of `rows`; in the place of each -1 the next piece of `fresh`. There is at least one."""
        import numpy as np
        import pyarrow as pa

        if runs := self._runs(rows):
            return joined([fresh.slice(at, count) if number < 0 else self._batch(number).slice(at, count) for number, at, count in runs])
        parts: list[pa.RecordBatch] = []
        at, size = np.empty(len(rows), np.int64), 0
        each = self._batch_of(rows)
        for number in np.unique(each[rows >= 0]).tolist():
            here = (each == number) & (rows >= 0)
            batch, places = self._batch(number), rows[here] - self._starts[number]
            if len(places) < len(batch) // 2:
                batch, places = batch.take(pa.array(places)), np.arange(len(places))
            at[here] = size + places
            parts.append(batch)
            size += len(batch)
        at[rows < 0] = size + np.arange(len(fresh))
        whole = joined([*parts, fresh] if len(fresh) else parts)
        return whole.slice(at[0], len(at)) if (np.diff(at) == 1).all() else whole.take(pa.array(at))

    def _runs(self, rows: "NDArray[np.int64]") -> list[tuple[int, int, int]]:
        """The batch (-1: the fresh ones), the place in it and the length of every run of rows that follow each other; nothing when most are short:
        to copy run by run takes half the time of taking rows, if runs are long."""
        import numpy as np

        fresh = rows < 0
        each, at = np.where(fresh, -1, self._batch_of(rows)), np.where(fresh, np.cumsum(fresh) - 1, rows)
        starts = np.flatnonzero(np.diff(each, prepend=-2) | (np.diff(at, prepend=0) != 1))
        if len(starts) * _LONG > len(rows):
            return []
        lengths = np.diff(starts, append=len(rows))
        places = at[starts] - np.where(each[starts] < 0, 0, self._starts[each[starts]])
        return list(zip(each[starts].tolist(), places.tolist(), lengths.tolist(), strict=True))

    def spans(self, start: int, count: int) -> Iterator[tuple[int, int, int]]:
        """The places from `start` on, cut where batches end: first place, how many, and roughly their bytes."""
        end = start + count
        while start < end:
            number = int(self._batch_of(start))
            _, span, size = self._batches[number]
            here = min(end, int(self._starts[number + 1])) - start
            yield start, here, size * here // span.rows
            start += here

    def file_of(self, start: int, count: int) -> Stretch:
        """The file of the first of `count` places from `start` on, and what of it they are; all stand in that file."""
        spans, size, number = list[Span](), 0, int(self._batch_of(start))
        file = self._batches[number][0]
        for first, here, part in self.spans(start, count):
            _, span, _ = self._batches[number]
            spans.append(Span(span.batch, span.start + first - int(self._starts[number]), here))
            size, number = size + part, number + 1
        assert self._batches[number - 1][0] == file
        name, rows = self._files[file]
        return Stretch(self._folder / name, tuple(spans), size, rows)

    def end_of_file(self, start: int) -> int:
        """The place behind the last that follows `start` in its file."""
        return int(self._edges[self._edges.searchsorted(start, side="right")])

    def shares(self) -> dict[str, float]:
        """What share of the pieces in each file is in use."""
        used: Counter[int] = Counter()
        for file, span, _ in self._batches:
            used[file] += span.rows
        return {self._files[file][0]: count / self._files[file][1] for file, count in used.items()}

    @cached_property
    def _edges(self) -> "NDArray[np.int64]":
        """The places behind which another file follows, or another part of one."""
        import numpy as np

        files = np.array([file for file, _, _ in self._batches], np.int64)
        return np.asarray(self._starts[1:][np.append(np.diff(files) != 0, True)])

    @cached_property
    def _first(self) -> "NDArray[np.uint64]":
        import numpy as np

        return np.ascontiguousarray(self._keys[:, 0])

    def _worthwhile(self, rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
        import numpy as np

        numbers, which, counts = np.unique(self._batch_of(rows), return_inverse=True, return_counts=True)
        return rows if len(numbers) <= _KEPT_BATCHES else np.where(counts[which] >= _WORTH_READING, rows, -1)

    def _batch_of(self, rows: Any) -> Any:
        import numpy as np

        return np.searchsorted(self._starts, rows, side="right") - 1

    def _batch(self, number: int) -> "pa.RecordBatch":
        if number not in self._read:
            file, span, _ = self._batches[number]
            while len(self._read) >= _KEPT_BATCHES:
                del self._read[next(iter(self._read))]
            self._read[number] = self._reader(file).get_batch(span.batch).slice(span.start, span.rows)
        return self._read[number]

    def _reader(self, file: int) -> Any:
        import pyarrow as pa

        if file not in self._readers:
            while len(self._readers) >= _OPEN_FILES:
                del self._readers[next(iter(self._readers))]
            self._readers[file] = pa.ipc.open_file(pa.memory_map(str(self._folder / self._files[file][0])))
        return self._readers[file]


class StoreIndex:
    """Notes where pieces come to stand while a store is written."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._totals: list[int] = []
        self._batches: list[tuple[int, ...]] = []
        self._keys: list[NDArray[np.uint64]] = []
        self.rows = 0

    def add_file(self, name: str, spans: Sequence[Span] | None = None, rows: int = 0) -> None:
        """The batches that follow are those of this file; or these spans of it, which has so many rows."""
        self._file = self._files.setdefault(name, len(self._files))
        if self._file == len(self._totals):
            self._totals.append(rows)
        self._batch, self._spans = 0, spans

    def add(self, batch: "pa.RecordBatch") -> None:
        """The next batch of the file."""
        span = Span(self._batch, 0, batch.num_rows) if self._spans is None else self._spans[self._batch]
        self._batches.append((self._file, *span, batch.nbytes))
        self._keys.append(keys_of(batch))
        self._batch += 1
        if self._spans is None:
            self._totals[self._file] += batch.num_rows
        self.rows += batch.num_rows

    def write(self, folder: Path, name: str) -> dict[str, Any]:
        """Write the tables of keys; returns what the index says of the store."""
        import numpy as np

        keys = np.concatenate([np.empty((0, 2), np.uint64), *self._keys])
        rows = np.flatnonzero(keys.any(axis=1))
        order = rows[np.argsort(keys[rows, 0], kind="stable")]
        np.save(folder / f"{name}-keys.npy", keys[order])
        np.save(folder / f"{name}-rows.npy", order)
        return {"files": list(zip(self._files, self._totals, strict=True)), "batches": self._batches}


def as_keys(keys: Sequence[bytes]) -> "NDArray[np.uint64]":
    """Keys of 16 bytes as rows of two numbers."""
    import numpy as np

    return np.frombuffer(b"".join(keys), np.uint64).reshape(-1, 2)


def keys_of(batch: "pa.RecordBatch") -> "NDArray[np.uint64]":
    """The column `raw` as rows of two numbers."""
    import numpy as np

    column = batch.column("raw")
    return np.frombuffer(column.buffers()[1], np.uint64, 2 * len(column), 16 * column.offset).reshape(-1, 2)
