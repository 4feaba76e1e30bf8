"""What the operators of the corpus stage hand to each other: pieces of raw files as Arrow record batches.

A row is one piece: a draft that waits to be finished, a finished document, what became neither, or a note about a whole file. It has the columns of a
document, its ledger rows (without record, source and locator, which are the piece's own), and what finishing needs. Only documents have ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from adapt.artifact import documents
from adapt.artifact.lines import ledger_schema
from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.records import Language, LedgerRow, Signals

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

DOCUMENT, WAITING, LOST, NOTE = range(4)
"""States of a piece."""
NO_KEY = bytes(16)
"""`raw` of a piece that is not known by what it was read from."""
_OWN = ("record", "source", "locator")
_TEXTS = ("title", "text", "instruction", "input", "output", "rejected")
_FACTS = ("licence", "date", "group", "label")

LedgerPart = tuple[str, str, str, float | None, float | None, str | None, str | None, tuple[tuple[int, int], ...], int | None]
"""A ledger row's columns from `action` on."""


class Piece(NamedTuple):
    """One row, its columns in the order of the schema. What was measured of documents stands apart, in columns."""

    id: str
    source: str
    locator: str
    kind: str
    language: Language
    title: str
    text: str
    instruction: str
    input: str
    output: str
    rejected: str
    licence: str
    date: str
    group: str
    label: str
    messages: tuple[tuple[str, str], ...]
    state: int
    wrapped: bool
    rows: Sequence[LedgerPart]
    lines: Sequence[int]
    raw: bytes
    unused: int


def schema() -> "pa.Schema":
    """Columns of pieces: those of documents, then `state`, `wrapped`, `rows`, `lines` (digests of its lines), `raw` (what it was read from)
    and `unused` (letters and digits of its record that are no text of it)."""
    import pyarrow as pa

    rows = pa.struct([field for field in ledger_schema() if field.name not in _OWN])
    own = [("state", pa.int8()), ("wrapped", pa.bool_()), ("rows", pa.list_(rows)), ("lines", pa.list_(pa.uint64())), ("raw", pa.binary(16))]
    own.append(("unused", pa.int64()))
    return pa.schema([*documents.schema(), *own])


def finished(draft: Draft, language: Language, rows: Sequence[LedgerPart] = (), raw: bytes = NO_KEY) -> Piece:
    """A document. `rows` come before those of its own edits."""
    return _piece(draft, draft.identity(), language, DOCUMENT, [*rows, *map(edited, draft.edits)], (), raw)


def waiting(draft: Draft, lines: Sequence[int], raw: bytes = NO_KEY) -> Piece:
    """A draft to finish when it is known which of its lines repeat."""
    return _piece(draft, "", "", WAITING, [*map(edited, draft.edits)], lines, raw)


def lost(source: str, rejected: Rejected, rows: Sequence[LedgerPart] = (), raw: bytes = NO_KEY) -> Piece:
    """A piece that did not become a document; `rows` tell what was done to it before."""
    return _bare(
        source, rejected.locator, LOST, [*rows, ("quarantined", rejected.rule, rejected.reason, None, None, None, None, (), rejected.characters)], raw
    )


def note(row: LedgerRow) -> Piece:
    """A ledger row about a file, which is no piece of it."""
    told = (row.action, row.rule, row.reason, row.score, row.threshold, row.winner, row.field, row.spans, row.characters)
    return _bare(row.source, row.locator, NOTE, [told], NO_KEY)


def to_batch(pieces: Sequence[Piece], measured: "Mapping[str, NDArray[np.float64]] | None" = None) -> "pa.RecordBatch":
    """Pieces as one batch. `measured`: values for each document among them, by the names of `records.Signals`; NaN where there is none, and a signal
    that is left out was not measured."""
    import pyarrow as pa

    shape = schema()
    if not pieces:
        return pa.RecordBatch.from_pylist([], schema=shape)
    columns = dict(zip(Piece._fields, zip(*pieces, strict=True), strict=True))
    documents = [at for at, state in enumerate(columns["state"]) if state == DOCUMENT]
    arrays = [
        _signals(measured or {}, documents, len(pieces), field.type) if field.name == "signals" else pa.array(columns[field.name], field.type)
        for field in shape
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=shape)


def drafts(batch: "pa.RecordBatch") -> Iterator[tuple[Draft, list[LedgerPart], list[int]]]:
    """Waiting pieces as drafts without edits, the ledger rows of what was done to them, and the digests in `lines`."""
    names = ("source", "locator", "kind", *_TEXTS, "messages", *_FACTS, "wrapped", "unused")
    columns = [batch.column(name).to_pylist() for name in (*names, "rows", "lines")]
    for *values, rows, lines in zip(*columns, strict=True):
        named = dict(zip(names, values, strict=True))
        named["messages"] = tuple((turn["role"], turn["content"]) for turn in named["messages"])
        yield Draft(**named), [_part(row) for row in rows], lines


def moved(batch: "pa.RecordBatch", locators: "pa.Array") -> "pa.RecordBatch":
    """The pieces of `batch` at other places of their source; documents that moved get the id of their new place."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    changed = pc.not_equal(batch.column("locator"), locators)
    batch = batch.set_column(batch.schema.get_field_index("locator"), "locator", locators)
    renamed = pc.and_(changed, pc.equal(batch.column("state"), DOCUMENT))
    places = np.flatnonzero(renamed.to_numpy(zero_copy_only=False))
    if not len(places):
        return batch
    ids = batch.column("id").to_pylist()
    for place, (draft, _, _) in zip(places.tolist(), drafts(batch.take(pa.array(places))), strict=True):
        ids[place] = draft.identity()
    return batch.set_column(0, "id", pa.array(ids, pa.string()))


def ledger(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """The ledger rows of a batch of pieces, in the form of `adapt.artifact.lines.ledger_schema`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = batch.column("rows")
    if not len(rows.flatten()):
        return pa.RecordBatch.from_pylist([], schema=ledger_schema())
    owners, parts = pc.list_parent_indices(rows), rows.flatten()
    source, locator = (batch.column(name).take(owners) for name in ("source", "locator"))
    ids = batch.column("id").take(owners)
    record = pc.if_else(pc.equal(ids, ""), pc.binary_join_element_wise(source, locator, ":"), ids)
    return pa.RecordBatch.from_arrays([record, source, locator, *parts.flatten()], schema=ledger_schema())


def _piece(draft: Draft, name: str, language: str, state: int, rows: list[LedgerPart], lines: Sequence[int], raw: bytes) -> Piece:
    return Piece(
        name, draft.source, draft.locator, draft.kind, language,
        draft.title, draft.text, draft.instruction, draft.input, draft.output, draft.rejected,
        draft.licence, draft.date, draft.group, draft.label, draft.messages,
        state, draft.wrapped, rows, lines, raw, draft.unused,
    )  # fmt: skip


def _bare(source: str, locator: str, state: int, rows: list[LedgerPart], raw: bytes) -> Piece:
    return Piece("", source, locator, "", "", "", "", "", "", "", "", "", "", "", "", (), state, False, rows, (), raw, 0)


def edited(edit: Edit) -> LedgerPart:
    """What the ledger says of an edit."""
    return "edited", edit.rule, edit.reason, edit.score, None, None, edit.field, edit.spans, edit.characters


def _part(row: dict[str, Any]) -> LedgerPart:
    part: LedgerPart = tuple(row.values())
    return part


def _signals(measured: "Mapping[str, NDArray[np.float64]]", documents: Sequence[int], count: int, shape: "pa.StructType") -> "pa.StructArray":
    """A row for each piece; what was not measured has the value that `records.Signals` gives it."""
    import numpy as np
    import pyarrow as pa

    unmeasured = Signals()
    arrays = []
    for field in shape:
        default = getattr(unmeasured, field.name)
        values = np.full(count, np.nan if default is None else default, np.float64)
        if field.name in measured:
            values[documents] = measured[field.name]
        gaps = np.isnan(values)
        if pa.types.is_integer(field.type):
            values = values.astype(np.int32)
        arrays.append(pa.array(values, field.type, mask=gaps if gaps.any() else None))
    return pa.StructArray.from_arrays(arrays, fields=list(shape))
