"""Parquet files: one row, one record; structs and lists are read as JSON has them."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from adapt.corpus.draft import Draft, QuarantineRule, Rejected
from adapt.corpus.readers.mapping import Mapping
from adapt.errors import AdaptError
from adapt.spec.corpus import Limits

_ROWS = 256
"""Rows that are in memory at once."""
_IMPOSSIBLE = (ValueError, OverflowError, TypeError, NotImplementedError)
"""What pyarrow raises where a value has no counterpart in Python."""
_NOT_ITS_FAULT = (AdaptError, MemoryError)
"""What comes through pyarrow from the machine or the network: no row may be lost to it as damaged."""


def read_parquet(
    file: BinaryIO, name: str, mapping: Mapping, limits: Limits, *, start: int = 0, end: int | None = None, first: int = 1
) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every row of the row groups from `start` to before `end`; `first` is the number of the first row.

    Raises InputError when the spec names a column that the file lacks.
    """
    import pyarrow.parquet as pq

    stored = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        table = pq.ParquetFile(file, pre_buffer=False)
        columns, groups = table.schema_arrow.names, range(start, table.num_row_groups if end is None else end)
    except _NOT_ITS_FAULT:
        raise
    except Exception:  # a damaged file fails in many ways, not all of them Arrow's own
        yield Rejected("", "unreadable", _DAMAGED)
        return
    mapping.require(columns, name)
    count = 0
    for group, begin in zip(groups, _begins(table, groups, first), strict=True):
        number = begin
        for found in _group(table, group, stored * limits.max_expansion):
            count += 1
            if isinstance(found, tuple):
                yield Rejected(f"row {number}", *found)
            else:
                yield from mapping.drafts(found, name, f"row {number}")
                number += 1
    if not count and end is None:
        yield Rejected("", "empty_file", "The table has no rows.")


_DAMAGED = "The file is no Parquet file, or is damaged from here on."


def _begins(table: Any, groups: range, first: int) -> list[int]:
    """Number of the first row of each row group."""
    try:
        rows = [table.metadata.row_group(group).num_rows for group in groups]
    except Exception:
        rows = [0 for _ in groups]
    return [first + sum(rows[:at]) for at in range(len(rows))]


def _group(table: Any, group: int, bound: int) -> Iterator[dict[str, Any] | tuple[QuarantineRule, str]]:
    """Rows of a row group, and what is wrong with it. Of its metadata only two numbers are asked for: damaged metadata of columns end the process."""
    count = 0
    try:
        about = table.metadata.row_group(group)
        if about.total_byte_size > bound:
            yield "too_large", "A row group would expand beyond corpus.limits.max_expansion; it is not read."
            return
        for batch in table.iter_batches(batch_size=_ROWS, row_groups=[group]):
            for row in _rows(batch):
                yield row
                count += 1
        damaged = count != about.num_rows
    except _NOT_ITS_FAULT:
        raise
    except Exception:
        damaged = True
    if damaged:
        yield "unreadable", _DAMAGED


def _rows(batch: Any) -> list[dict[str, Any]]:
    """Rows as Python values; a cell that Python has no value for, such as a date after the year 9999 or text that is not UTF-8, is empty."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
        return rows
    except _IMPOSSIBLE:
        names = batch.schema.names
        return [{name: _cell(batch.column(at), row) for at, name in enumerate(names)} for row in range(batch.num_rows)]


def _cell(column: Any, row: int) -> Any:
    try:
        return column[row].as_py()
    except _IMPOSSIBLE:
        return None
