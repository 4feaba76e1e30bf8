"""Parquet files put together from row groups that are bytes already, so that a group that did not change is copied and not encoded again.

Enters: Arrow batches, or groups that were encoded before. Leaves: one Parquet file, whose bytes do not tell which of the two a group was, and which
are those that pyarrow writes. Pages do not know where in the file they stand; the footer says it, in numbers that are moved when a group is put into
place. The footer is Thrift's compact protocol, of which no more is read here than where these numbers are (github.com/apache/parquet-format).
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    import pyarrow as pa

_MAGIC = b"PAR1"
_BOOLEANS, _BYTE, _NUMBERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12
"""Types of the compact protocol."""
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
        numbers = [_varint(ordinal if each == ORDINAL else each + place) for each in group.places]
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
        walk, out, done = _Walk(footer), [], 0
        for field, kind in walk.fields():
            start = walk.at
            walk.skip(kind)
            if field in (_ROWS_OF_FILE, _GROUPS):
                out += [footer[done:start], _varint(self._rows) if field == _ROWS_OF_FILE else _list_of_structs(self._told)]
                done = walk.at
        whole = b"".join([*out, footer[done:]])
        self._file.write(whole + len(whole).to_bytes(4, "little") + _MAGIC)


def _footer(data: bytes) -> bytes:
    size = int.from_bytes(data[-8:-4], "little")
    return data[-8 - size : -8]


def _cut(footer: bytes) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """The one group of a footer, cut at its places in the file."""
    walk, parts, places = _Walk(footer), [], []
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


def _places(walk: "_Walk") -> Iterator[tuple[int, int]]:
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


def _places_of_column(walk: "_Walk") -> Iterator[tuple[int, int]]:
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


def _place(walk: "_Walk") -> Iterator[tuple[int, int]]:
    """The next value, which is a place; 0 is none, and stays."""
    start = walk.at
    if number := walk.number():
        yield start, number - len(_MAGIC)


class _Walk:
    """A way through values of the compact protocol."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def fields(self) -> Iterator[tuple[int, int]]:
        """The number and the type of every field of a struct; each value must be passed before the next is asked for."""
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self.number()
            yield field, head & 15

    def list(self) -> tuple[int, int]:
        """How many values of which type a list has."""
        head = self._byte()
        return (head >> 4 if head >> 4 < 15 else self.unsigned()), head & 15

    def number(self) -> int:
        """A whole number."""
        found = self.unsigned()
        return found >> 1 ^ -(found & 1)

    def skip(self, kind: int) -> None:
        """Pass a value."""
        self.at = _behind(self.data, self.at, kind)

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def unsigned(self) -> int:
        """A whole number that has no sign."""
        found = shift = 0
        while (byte := self._byte()) & 128:
            found |= (byte & 127) << shift
            shift += 7
        return found | byte << shift


def _behind(data: bytes, at: int, kind: int, *, in_list: bool = False) -> int:
    """The place behind the value at `at`. A footer has thousands of values, so each is passed in as few steps as may be."""
    if kind in _NUMBERS:
        while data[at] > 127:
            at += 1
        return at + 1
    if kind == _STRUCT:
        return _behind_struct(data, at)
    if kind in _BOOLEANS or kind == _BYTE:
        return at + (kind == _BYTE or in_list)
    if kind == _DOUBLE:
        return at + 8
    walk = _Walk(data, at)
    if kind == _BINARY:
        length = walk.unsigned()
        return walk.at + length
    if kind not in _LISTS:
        raise AssertionError(f"footers of Parquet hold no value of type {kind}")
    count, inner = walk.list()
    at = walk.at
    for _ in range(count):
        at = _behind(data, at, inner, in_list=True)
    return at


def _behind_struct(data: bytes, at: int) -> int:
    while head := data[at]:
        at += 1
        if head < 16:  # the number of the field stands apart
            at = _behind(data, at, _NUMBERS[0])
        at = _behind(data, at, head & 15)
    return at + 1


def _varint(number: int) -> bytes:
    """A whole number that is not negative, as the protocol has signed ones."""
    return _unsigned(number << 1)


def _unsigned(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _list_of_structs(values: list[bytes]) -> bytes:
    head = bytes([len(values) << 4 | _STRUCT]) if len(values) < 15 else bytes([0xF0 | _STRUCT]) + _unsigned(len(values))
    return head + b"".join(values)
