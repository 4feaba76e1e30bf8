"""Writes and reads files that rooms exchange, one shape at a time, where tests need few."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from adapt.artifact import documents as arrow
from adapt.records import Document, LedgerRow


def write_documents(path: Path, documents: Iterable[Document]) -> None:
    """A file of documents in the order given, each group of ROWS."""
    listed = list(documents)
    with arrow.open_documents(path) as writer:
        for start in range(0, len(listed), arrow.ROWS):
            writer.write(writer.encode(arrow.to_batch(listed[start : start + arrow.ROWS])))


def read_ledger(path: Path) -> Iterator[LedgerRow]:
    """The rows of a ledger, checked."""
    yield from map(LedgerRow.model_validate, pq.read_table(path).to_pylist())
