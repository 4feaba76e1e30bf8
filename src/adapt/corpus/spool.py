"""Batches of pieces on disk: written once, in order, and read back batch by batch, so that memory holds one at a time."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from adapt.corpus.pieces import schema

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 2048
BATCH_BYTES = 8 << 20
"""A batch is full with this many rows or bytes, whichever comes first."""


@dataclass(frozen=True)
class Spooled:
    """Pieces in a file, and from which inputs they are."""

    path: Path
    """A file of this build; or one of the former generation that is linked, with pieces that may be none of this build's."""
    inputs: tuple[int, ...]
    """Places of the inputs, in order."""
    counts: tuple[int, ...]
    """Rows of each."""
    waiting: int
    """Pieces that wait to be finished."""
    portions: tuple[tuple[bytes, int, int], ...] = ()
    """Keys of portions that are known by their bytes, with the first row and the number of their pieces."""
    spans: "tuple[Span, ...] | None" = None
    """Of a linked file, what belongs to this build; None: all."""
    rows: int = 0
    """Of all that a linked file holds."""


class Span(NamedTuple):
    """Rows of one batch of a file."""

    batch: int
    start: int
    rows: int


class SpoolWriter:
    """Writes batches of pieces into a file; a context manager."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self._writer = pa.ipc.new_file(str(path), schema())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()

    def write(self, batch: "pa.RecordBatch") -> None:
        """Append a batch; an empty one is left out."""
        if batch.num_rows:
            self._writer.write_batch(batch)


def read_spool(path: Path, spans: tuple[Span, ...] | None = None, columns: tuple[str, ...] = ()) -> Iterator["pa.RecordBatch"]:
    """The batches of a file, in order, or these spans of them; with all columns, or with those that are named."""
    import pyarrow as pa

    names = schema().names
    options = pa.ipc.IpcReadOptions(included_fields=[names.index(name) for name in columns])
    with pa.memory_map(str(path)) as file:
        reader = pa.ipc.open_file(file, options=options)
        if spans is None:
            yield from map(reader.get_batch, range(reader.num_record_batches))
        else:
            yield from (reader.get_batch(span.batch).slice(span.start, span.rows) for span in spans)


def joined(batches: list["pa.RecordBatch"]) -> "pa.RecordBatch":
    """Batches of one schema as one."""
    import pyarrow as pa

    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def link_or_copy(path: Path, to: Path) -> None:
    """Another name for a file that nobody writes to any more; a copy of it, where file systems cannot have it so."""
    try:
        os.link(path, to)
    except OSError:
        shutil.copyfile(path, to)
