"""The ledger of a build while it runs: rows rest in a file as they come, and are written in their order at the end."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.lines import ledger_schema, write_ledger
from adapt.dataset.order import ascending_order
from adapt.dataset.table import natural
from adapt.records import LedgerRow

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 4096
_ORDER = ("source", "place", "record", "rule", "reason")


class Ledger:
    """Takes rows in any order; `write` sorts them by source, place in it (numbers by value), record, rule and reason. Its file is gone when it
    is left."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa

        self._path = folder / "ledger.tmp"
        self._schema = ledger_schema().append(pa.field("place", pa.string()))
        self._writer = pa.ipc.new_file(str(self._path), self._schema)
        self._waiting: list[LedgerRow] = []

    def add(self, rows: Iterable[LedgerRow]) -> None:
        """Add rows."""
        for row in rows:
            self._waiting.append(row)
            if len(self._waiting) == _ROWS:
                self._flush()

    def write(self, path: Path) -> None:
        """Write all rows as Parquet."""
        import pyarrow as pa

        self._flush()
        self._writer.close()
        table = pa.ipc.open_file(pa.memory_map(str(self._path))).read_all()
        order = ascending_order(table.select(list(_ORDER)))
        write_ledger(path, self._read(table.drop_columns(["place"]), order))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()
        self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        import pyarrow as pa

        rows, self._waiting = self._waiting, []
        columns = {name: [getattr(row, name) for row in rows] for name in self._schema.names if name != "place"}
        columns["place"] = [natural(row.locator) for row in rows]
        self._writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=self._schema))

    def _read(self, table: "pa.Table", order: NDArray[np.int64]) -> Iterator[LedgerRow]:
        import pyarrow as pa

        for start in range(0, len(order), _ROWS):
            for row in table.take(pa.array(order[start : start + _ROWS])).to_pylist():
                yield LedgerRow.model_construct(**row)
