"""Writes the ledger of the corpus stage, column by column as pieces hold it."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from adapt.artifact.lines import ledger_schema
from adapt.corpus.groups import Regrouper
from adapt.corpus.pieces import ledger
from adapt.corpus.report import Tally
from adapt.corpus.spool import joined

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 10_000
_BYTES = 8 << 20


class LedgerWriter:
    """Ledger rows on their way into a Parquet file, in the order of their pieces, each counted; a context manager."""

    def __init__(self, path: Path, tally: Tally) -> None:
        import pyarrow.parquet as pq

        self._tally = tally
        self._writer = pq.ParquetWriter(path, ledger_schema(), compression="zstd")
        self._groups = Regrouper(lambda parts: self._writer.write_batch(joined(parts)), rows=_ROWS, size=_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._groups.close()
        self._writer.close()

    def add(self, pieces: "pa.RecordBatch") -> None:
        """Add the ledger rows of a batch of finished pieces."""
        rows = ledger(pieces)
        if len(rows):
            self._tally.add_ledger(rows)
            self._groups.add(rows)
