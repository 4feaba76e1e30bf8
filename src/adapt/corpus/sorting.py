"""Puts documents in the order of their ids without holding them in memory.

Ids are digests, so they spread evenly: every run of documents is cut into the same ranges of ids on its way to disk, and then one range after
the other is read from all runs, sorted and handed on. Memory holds one run or one range; a single run stays there.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from adapt.artifact.documents import ROWS, schema
from adapt.corpus.spool import Regrouper, joined

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_RUN_BYTES = 96 << 20
"""Documents are sorted in memory up to so many bytes; a smaller output never goes through the disk."""
_RANGE_BYTES = 24 << 20


class DocumentSorter:
    """Documents on their way to disk, in any order; a context manager. Its length is the number of documents.

    `size` is about how many bytes will come; more than that costs memory, and changes nothing else.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._ranges = size // _RANGE_BYTES + 1
        self._run: list[pa.RecordBatch] = []
        self._bytes = self._count = self._runs = 0

    def __enter__(self) -> Self:
        import pyarrow as pa

        self._writer = pa.ipc.new_file(str(self._path), schema())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()

    def __len__(self) -> int:
        return self._count

    def add(self, batch: "pa.RecordBatch") -> None:
        """Take a batch of documents."""
        if self._bytes and self._bytes + batch.nbytes > _RUN_BYTES:
            self._write_run()
        self._run.append(batch)
        self._bytes += batch.nbytes
        self._count += batch.num_rows

    def sorted(self) -> Iterator["pa.RecordBatch"]:
        """All documents by id, in batches of ROWS."""
        ready: list[pa.RecordBatch] = []
        groups = Regrouper(ROWS, ready.append)
        for part in self._parts():
            groups.add(_by_id(part))
            yield from ready
            ready.clear()
        groups.close()
        yield from ready

    def _parts(self) -> Iterator["pa.RecordBatch"]:
        """The documents of one range of ids after the other."""
        import pyarrow as pa

        if not self._runs:
            if self._run:
                yield self._taken()
            return
        self._write_run()
        self._writer.close()
        with pa.OSFile(str(self._path)) as file:
            reader = pa.ipc.open_file(file)
            for number in range(self._ranges):
                yield joined([reader.get_batch(run * self._ranges + number) for run in range(self._runs)])

    def _write_run(self) -> None:
        import numpy as np
        import pyarrow as pa

        if not self._run:
            return
        run = self._taken()
        starts = [int.from_bytes(f"{(number << 32) // self._ranges:08x}".encode(), "big") for number in range(self._ranges)]
        ranges = np.searchsorted(np.array(starts, np.uint64), _numbers(run)[0], side="right") - 1
        run = run.take(pa.array(np.argsort(ranges, kind="stable")))
        places = np.cumsum([0, *np.bincount(ranges, minlength=self._ranges).tolist()])
        for start, end in pairwise(places.tolist()):
            self._writer.write_batch(run.slice(start, end - start))
        self._runs += 1

    def _taken(self) -> "pa.RecordBatch":
        run, self._run, self._bytes = self._run, [], 0
        return joined(run)


def _by_id(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(batch):
        return batch
    first, second = _numbers(batch)
    order = np.lexsort((second, first))
    if ((np.diff(first[order]) == 0) & (np.diff(second[order]) == 0)).any():
        return batch.take(pc.array_sort_indices(batch.column("id")))
    return batch.take(pa.array(order))


def _numbers(batch: "pa.RecordBatch") -> tuple["NDArray[np.uint64]", "NDArray[np.uint64]"]:
    """The first 16 characters of the ids, which all have one length, as two numbers in the same order: they sort ten times as fast as texts, and
    nearly always tell two ids apart."""
    import numpy as np

    column = batch.column("id")
    _, offsets, data = column.buffers()
    start, end = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]].tolist()
    characters = np.frombuffer(data, np.uint8, end - start, start).reshape(len(column), -1)
    first, second = (np.ascontiguousarray(characters[:, at : at + 8]).view(">u8").ravel().astype(np.uint64) for at in (0, 8))
    return first, second
