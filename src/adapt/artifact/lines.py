"""Files that rooms exchange: shapes as lines of JSON, and the ledger as Parquet."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from adapt.records import LedgerRow

if TYPE_CHECKING:
    import pyarrow as pa

S = TypeVar("S", bound=BaseModel)
_LEDGER_ROWS_AT_ONCE = 10_000


def write_lines(path: Path, shapes: Iterable[BaseModel]) -> int:
    """Write one JSON object a line, UTF-8, fields in their declared order; returns how many."""
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for shape in shapes:
            file.write(shape.model_dump_json() + "\n")
            count += 1
    return count


def read_lines(path: Path, shape: type[S]) -> Iterator[S]:
    """The shapes that `write_lines` wrote, one at a time."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield shape.model_validate_json(line)


def ledger_schema() -> "pa.Schema":
    """Columns of a ledger, in the order of the fields of `LedgerRow`."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    return pa.schema(
        [
            ("record", text), ("source", text), ("locator", text), ("action", text), ("rule", text),
            ("reason", text), ("score", number), ("threshold", number), ("winner", text), ("field", text),
            ("spans", pa.list_(pa.list_(pa.int32(), 2))), ("characters", pa.int64()),
        ]
    )  # fmt: skip


def write_ledger(path: Path, rows: Iterable[LedgerRow]) -> int:
    """Write ledger rows as Parquet in the order given; returns how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = ledger_schema()
    count = 0
    batch: list[dict[str, object]] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for row in rows:
            batch.append(vars(row))
            count += 1
            if len(batch) == _LEDGER_ROWS_AT_ONCE:
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
                batch.clear()
        if batch:
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
    return count
