"""Cuts rows into the groups that are written together, and writes the documents of a corpus, of which groups that did not change are copied.

Documents come in the order of the inputs. Where a group ends is told by the ids and sizes around the end alone, as in content-defined chunking
(Muthitacharoen et al. 2001, LBFS): behind a changed document the ends are soon those of the former build again, whatever was put in or left out.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from adapt.artifact.documents import BYTES, FILE, ROWS, open_documents, schema
from adapt.artifact.rowgroups import RowGroup
from adapt.corpus.spool import joined, link_or_copy
from adapt.corpus.store import keys_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

LEAST_ROWS = ROWS // 4
"""A group is not ended by an id before it has so many documents."""
_TABLE = "groups.arrow"


class Regrouper:
    """Takes batches of any size and hands on groups of slices whose ends depend on the rows alone: full by rows, by bytes, or where `ends` says."""

    def __init__(
        self,
        write: Callable[[list["pa.RecordBatch"]], object],
        *,
        rows: int,
        size: int,
        ends: Callable[["pa.RecordBatch"], "NDArray[np.int64]"] | None = None,
    ) -> None:
        """`rows` and `size` (bytes) are bounds; one row may be larger. `ends` are rows of a batch behind which one ends that has LEAST_ROWS."""
        self._write, self._rows, self._size, self._ends = write, rows, size, ends
        self._waiting: list[pa.RecordBatch] = []
        self._held = self._held_bytes = 0

    def add(self, batch: "pa.RecordBatch") -> None:
        """Take a batch."""
        import numpy as np

        if not len(batch):
            return
        sizes = np.cumsum(row_bytes(batch))
        ends = self._ends(batch) if self._ends else np.zeros(0, np.int64)
        start = 0
        while start < len(batch):
            before = int(sizes[start - 1]) if start else 0
            room = int(np.searchsorted(sizes, before + self._size - self._held_bytes, side="right"))
            if self._held and room <= start:
                self.close()
                continue
            behind = ends[np.searchsorted(ends, start + max(0, LEAST_ROWS - self._held - 1)) :]
            full = start + self._rows - self._held
            heavy = max(room, start + 1) if room < len(batch) else full
            cut = min(full, heavy, int(behind[0]) + 1 if len(behind) else full)
            stop = min(cut, len(batch))
            self._waiting.append(batch.slice(start, stop - start))
            self._held += stop - start
            self._held_bytes += int(sizes[stop - 1]) - before
            if stop == cut:
                self.close()
            start = stop

    def close(self) -> None:
        """Hand on what is left."""
        if self._held:
            waiting, self._waiting = self._waiting, []
            self._held = self._held_bytes = 0
            self._write(waiting)


class DocumentWriter:
    """Documents on their way into their Parquet file, in the order of the inputs; a context manager. Its length is the number of documents."""

    def __init__(self, path: Path, key: bytes, former: "KeptGroups | None", keep: Path | None) -> None:
        """Groups of `former` are copied; all are kept in the folder `keep` for the next build, if there is one. `key` covers code and settings."""
        self._path, self._writer = path, open_documents(path)
        self._key, self._former = key, former
        self._keeper = _GroupKeeper(keep) if keep else None
        self._names = schema().names
        self._regrouper = Regrouper(self._write, rows=ROWS, size=BYTES, ends=_ends)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._regrouper.close()
        self._writer.__exit__(kind, error, trace)
        if self._keeper and error is None:
            self._keeper.close(self._path)

    def add(self, documents: "pa.RecordBatch") -> None:
        """Take a batch of pieces that are documents."""
        self._regrouper.add(documents.select([*self._names, "raw"]))

    def _write(self, parts: list["pa.RecordBatch"]) -> None:
        key = self._key_of(parts)
        group = (self._former and self._former.find(key)) or self._writer.encode(joined(parts).select(self._names))
        start = self._writer.write(group)
        if self._keeper:
            self._keeper.add(key, group, start)

    def _key_of(self, parts: list["pa.RecordBatch"]) -> bytes:
        """An id covers the place and the texts of a document, and the key of its piece all that the rest is made from."""
        sha = sha256(self._key)
        for column in (id_bytes, keys_of):  # one behind the other, so that it does not count in which batches the documents come
            for part in parts:
                sha.update(column(part).data)
        return sha.digest()


class KeptGroups:
    """Row groups of the former build, by a digest of their documents."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa

        with pa.memory_map(str(folder / _TABLE)) as file:
            kept = pa.ipc.open_file(file).read_all()
        self._columns = [kept.column(name) for name in ("rows", "start", "size", "told", "places")]
        self._numbers = {key: number for number, key in enumerate(kept.column("key").to_pylist())}
        self._file = pa.memory_map(str(folder / FILE))

    def find(self, key: bytes) -> RowGroup | None:
        """The group of these documents."""
        number = self._numbers.get(key)
        if number is None:
            return None
        rows, start, size, told, places = (column[number].as_py() for column in self._columns)
        self._file.seek(start)
        return RowGroup(rows, self._file.read_buffer(size), tuple(told), tuple(places))


class _GroupKeeper:
    """Notes what is needed to put the row groups of one file into another, and keeps that file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: list[tuple[bytes, int, int, int, tuple[bytes, ...], tuple[int, ...]]] = []

    def add(self, key: bytes, group: RowGroup, start: int) -> None:
        """A group whose body starts there."""
        self._rows.append((key, group.rows, start, len(group.body), group.told, group.places))

    def close(self, path: Path) -> None:
        """Keep the file, which is whole now: by another name for it, so that it is written once."""
        import pyarrow as pa

        numbers = [(name, pa.int64()) for name in ("rows", "start", "size")]
        shape = pa.schema([("key", pa.binary(32)), *numbers, ("told", pa.list_(pa.binary())), ("places", pa.list_(pa.int64()))])
        columns = zip(*self._rows, strict=True) if self._rows else [()] * len(shape)
        batch = pa.RecordBatch.from_arrays([pa.array(column, field.type) for column, field in zip(columns, shape, strict=True)], schema=shape)
        with pa.ipc.new_file(str(self._folder / _TABLE), shape) as writer:
            writer.write_batch(batch)
        link_or_copy(path, self._folder / FILE)


def row_bytes(rows: "pa.RecordBatch | pa.Array") -> "NDArray[np.int64]":
    """About how many bytes each row of a batch, or value of an array, has; the same however it is sliced."""
    import numpy as np
    import pyarrow as pa

    if isinstance(rows, pa.StructArray) and all(pa.types.is_primitive(field.type) for field in rows.type):
        return np.full(len(rows), 8 * rows.type.num_fields)
    columns = rows.columns if isinstance(rows, pa.RecordBatch) else rows.flatten() if pa.types.is_struct(rows.type) else None
    if columns is not None:
        fixed = sum(8 for column in columns if pa.types.is_primitive(column.type))
        return sum((row_bytes(column) for column in columns if not pa.types.is_primitive(column.type)), np.full(len(rows), fixed))
    kind = rows.type
    if pa.types.is_list(kind):
        inner = np.cumsum(np.concatenate([[0], row_bytes(rows.flatten())]))[np.concatenate([[0], np.cumsum(_lengths(rows))])]
        return np.asarray(np.diff(inner) + 4)
    return _lengths(rows) + 4 if pa.types.is_string(kind) else np.full(len(rows), 8)


def _lengths(values: "pa.Array") -> "NDArray[np.int64]":
    """Of texts in bytes, of lists in items; 0 where there is none."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not values.null_count and len(values):
        return np.diff(np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, 4 * values.offset)).astype(np.int64)
    found = pc.binary_length(values) if pa.types.is_string(values.type) else pc.list_value_length(values)
    return np.asarray(pc.fill_null(found, 0).to_numpy(zero_copy_only=False).astype(np.int64))


def _ends(documents: "pa.RecordBatch") -> "NDArray[np.int64]":
    """The documents behind which a group may end, told by their ids."""
    import numpy as np

    digits = id_bytes(documents)
    zeros = (digits[:, 0] == ord("0")) & (digits[:, 1] == ord("0")) & (digits[:, 2] < ord("4"))  # one in 1,024
    return np.flatnonzero(zeros)


def id_bytes(documents: "pa.RecordBatch") -> "NDArray[np.uint8]":
    """The characters of the ids, which are digests in hex and of one length: shape (documents, characters)."""
    import numpy as np

    column = documents.column("id")
    _, offsets, data = column.buffers()
    start, end = np.frombuffer(offsets, np.int32)[[column.offset, column.offset + len(column)]].tolist()
    return np.frombuffer(data, np.uint8, end - start, start).reshape(len(column), -1)
