"""Parquet files put together from row groups that are bytes already, so that a group that did not change is copied and not encoded again.

Enters: Arrow batches, or groups that were encoded before. Leaves: one Parquet file, whose bytes do not tell which of the two a group was, and which
are those that pyarrow writes. Pages do not know where in the file they stand; the footer says it, in numbers that are moved when a group is put into
place. The footer is Thrift's compact protocol, of which no more is read here than where these numbers are (github.com/apache/parquet-format).
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from adapt.artifact.compact import Walk, list_of_structs, varint

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"PAR1"
_ROWS_OF_FILE, _GROUPS = 3, 4
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7
_COLUMN_OFFSET, _COLUMN_TOLD = 2, 3
_PAGE_OFFSETS = (9, 10, 11)
"""Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData."""
ORDINAL = -1
"""Stands among the places of a group for its number in the file."""


class RowGroup(NamedTuple):
    """An encoded group, wherever it will stand."""

    rows: int
    body: bytes
    """Its pages."""
    told: tuple[bytes, ...]
    """What the footer says of it, cut where a place in the file belongs between two parts."""
    places: tuple[int, ...]
    """Those places: bytes from the beginning of `body`, or ORDINAL."""


class RowGroupWriter:
    """A Parquet file of groups; a context manager. Its length is the number of rows."""

    def __init__(self, path: Path, schema: "pa.Schema", **options: Any) -> None:
        """`options` are those of `pyarrow.parquet.ParquetWriter`, and must not ask for indexes or Bloom filters."""
        self._schema, self._options = schema, options
        self._file = path.open("wb")
        self._place = self._file.write(_MAGIC)
        self._told: list[bytes] = []
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._write_footer()
        self._file.close()

    def __len__(self) -> int:
        return self._rows

    def encode(self, batch: "pa.RecordBatch") -> RowGroup:
        """A batch as a group."""
        data = self._encoded(batch)
        footer = _footer(data)
        told, places = _cut(footer)
        return RowGroup(len(batch), data[len(_MAGIC) : len(data) - len(footer) - 8], told, places)

    def write(self, group: RowGroup) -> int:
        """Append a group; returns the place in the file where its body begins."""
        ordinal, place = len(self._told), self._place
        numbers = [varint(ordinal if each == ORDINAL else each + place) for each in group.places]
        self._told.append(b"".join(part for pair in zip(group.told, [*numbers, b""], strict=True) for part in pair))
        self._place += self._file.write(group.body)
        self._rows += group.rows
        return place

    def _encoded(self, batch: "pa.RecordBatch | None") -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, self._schema, **self._options) as writer:
            if batch is not None:
                writer.write_batch(batch, row_group_size=len(batch))
        found: bytes = sink.getvalue().to_pybytes()
        return found

    def _write_footer(self) -> None:
        """That of a file without groups, with the rows and the groups put in."""
        footer = _footer(self._encoded(None))
        walk, out, done = Walk(footer), [], 0
        for field, kind in walk.fields():
            start = walk.at
            walk.skip(kind)
            if field in (_ROWS_OF_FILE, _GROUPS):
                out += [footer[done:start], varint(self._rows) if field == _ROWS_OF_FILE else list_of_structs(self._told)]
                done = walk.at
        whole = b"".join([*out, footer[done:]])
        self._file.write(whole + len(whole).to_bytes(4, "little") + _MAGIC)


def _footer(data: bytes) -> bytes:
    size = int.from_bytes(data[-8:-4], "little")
    return data[-8 - size : -8]


def _cut(footer: bytes) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """The one group of a footer, cut at its places in the file."""
    walk, parts, places = Walk(footer), [], []
    begin = done = 0
    for field, kind in walk.fields():
        if field != _GROUPS:
            walk.skip(kind)
            continue
        count, _ = walk.list()
        assert count == 1
        begin = done = walk.at
        for start, place in _places(walk):
            parts.append(footer[done:start])
            places.append(place)
            done = walk.at
        parts.append(footer[done : walk.at])
    assert begin
    return tuple(parts), tuple(places)


def _places(walk: Walk) -> Iterator[tuple[int, int]]:
    """Where the numbers of a group stand that depend on where it is, and what they say; the walk is behind each as it comes."""
    for field, kind in walk.fields():
        if field == _COLUMNS:
            for _ in range(walk.list()[0]):
                yield from _places_of_column(walk)
        elif field in (_GROUP_OFFSET, _ORDINAL):
            start, number = walk.at, walk.number()
            yield start, ORDINAL if field == _ORDINAL else number - len(_MAGIC)
        else:
            walk.skip(kind)


def _places_of_column(walk: Walk) -> Iterator[tuple[int, int]]:
    for field, kind in walk.fields():
        if field == _COLUMN_TOLD:
            for inner, inner_kind in walk.fields():
                if inner in _PAGE_OFFSETS:
                    yield from _place(walk)
                else:
                    walk.skip(inner_kind)
        elif field == _COLUMN_OFFSET:
            yield from _place(walk)
        else:
            walk.skip(kind)


def _place(walk: Walk) -> Iterator[tuple[int, int]]:
    """The next value, which is a place; 0 is none, and stays."""
    start = walk.at
    if number := walk.number():
        yield start, number - len(_MAGIC)
