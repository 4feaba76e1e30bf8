"""Documents as Arrow: how the corpus stage hands them to the dataset stage.

One Parquet file, in the order of the inputs that they were read from; `signals` is a struct of its own columns.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from adapt.artifact.arrow import leave_pandas_out
from adapt.artifact.rowgroups import RowGroupWriter
from adapt.records import UNLEARNED, Document, Message, Shape, Signals, Turn

if TYPE_CHECKING:
    import pyarrow as pa

S = TypeVar("S", bound=Shape)
FILE = "documents.parquet"
ROWS = 2048
BYTES = 8 << 20
"""Most documents, and most bytes of several, in a batch and in a row group: constants, so that batches are the same wherever they run. An array of
texts holds 2 GiB at most, and is far from it so."""
_TEXTS = (
    "id", "source", "locator", "kind", "language", "title", "text", "instruction", "input", "output", "rejected",
    "licence", "date", "group", "label",
)  # fmt: skip
_FEW_VALUES = ["source", "kind", "language", "licence", "date", "group", "label", "messages.list.element.role"]
"""Columns worth a dictionary; to look for repeats in the others costs a quarter of the time of writing, and finds none."""


def schema() -> "pa.Schema":
    """Columns of documents, in the order of the fields of `Document`."""
    import pyarrow as pa

    leave_pandas_out()
    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    whole = {name for name, field in Signals.model_fields.items() if field.annotation is int}
    signals = pa.struct([(name, pa.int32() if name in whole else pa.float64()) for name in Signals.model_fields])
    return pa.schema([*((name, pa.string()) for name in _TEXTS), ("messages", pa.list_(turn)), ("signals", signals)])


def to_batch(documents: Sequence[Document]) -> "pa.RecordBatch":
    """Documents as one batch."""
    import pyarrow as pa

    columns: dict[str, Any] = {name: [getattr(document, name) for document in documents] for name in _TEXTS}
    columns["messages"] = [[{"role": turn.role, "content": turn.content} for turn in document.messages] for document in documents]
    columns["signals"] = [vars(document.signals) for document in documents]
    return pa.RecordBatch.from_pydict(columns, schema=schema())


def from_batch(batch: "pa.RecordBatch") -> list[Document]:
    """The documents of a batch. They were checked when they were made, and are not checked again."""
    columns = {name: batch.column(name).to_pylist() for name in Document.model_fields}
    columns["messages"] = [tuple(_trusted(Turn if turn["role"] == UNLEARNED else Message, turn) for turn in turns) for turns in columns["messages"]]
    columns["signals"] = [_trusted(Signals, measured) for measured in columns["signals"]]
    return [_trusted(Document, dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True)]


def _trusted(shape: type[S], values: dict[str, Any]) -> S:
    """What `model_construct` makes of a value for every field, in a fifth of its time."""
    made = shape.__new__(shape)
    for name, value in (("__dict__", values), ("__pydantic_fields_set__", set(values)), ("__pydantic_extra__", None), ("__pydantic_private__", None)):
        object.__setattr__(made, name, value)
    return made


def open_documents(path: Path) -> RowGroupWriter:
    """A file of documents to write."""
    return RowGroupWriter(path, schema(), compression="zstd", use_dictionary=_FEW_VALUES, write_statistics=["id"])


def read_some(path: Path, ids: Collection[str]) -> Iterator["pa.RecordBatch"]:
    """The documents with one of `ids`, in the order of the file; row groups without any of them are read for their ids alone."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted = pa.array(sorted(ids), pa.string())
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            chosen = pc.is_in(file.read_row_group(number, columns=["id"]).column("id"), wanted)
            if pc.any(chosen).as_py():
                yield from file.read_row_group(number).filter(chosen).combine_chunks().to_batches()


def read_batches(path: Path) -> Iterator["pa.RecordBatch"]:
    """The batches of a file of documents, one row group each."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield from file.read_row_group(number).combine_chunks().to_batches()
