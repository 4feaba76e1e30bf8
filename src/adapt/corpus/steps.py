"""The operators of the corpus stage: pure functions from a task to batches of pieces, which run wherever an engine runs them.

`read` reads and cleans portions. Pieces that no other file can change, such as questions, are documents after it; running text waits until it is
known which of its lines repeat, and `finish` makes documents of it.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from adapt.artifact.tidying import tidied_rarely
from adapt.corpus.assembly import Assembly
from adapt.corpus.cleaning.boilerplate import drop_lines, line_digests
from adapt.corpus.cleaning.characters import tidy_whitespace
from adapt.corpus.cleaning.drafts import clean
from adapt.corpus.cleaning.headings import has_prose
from adapt.corpus.cleaning.wrapping import unwrap
from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.pieces import LedgerPart, Piece, drafts, edited, finished, lost, note, to_batch, waiting
from adapt.corpus.quality.measure import measure
from adapt.corpus.readers.portion import Portion
from adapt.corpus.recall import Known, Raw, Taken, raw_pieces, runs
from adapt.corpus.settings import Settings
from adapt.corpus.spool import BATCH_BYTES, BATCH_ROWS, SpoolWriter
from adapt.records import LedgerRow
from adapt.text.letters import count_letters

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ReadTask:
    """Portions to read in one go."""

    portions: tuple[Portion | Taken, ...]
    spool: Path | None
    """File that the pieces go to; None where the worker cannot write to this machine: then they are sent back."""


@dataclass(frozen=True)
class ReadResult:
    """What a task gave."""

    counts: tuple[int, ...]
    """Pieces of each portion."""
    waiting: int
    """How many wait to be finished."""
    batches: tuple["pa.RecordBatch", ...] = ()
    """The pieces, when they are in no file."""


class _Ready(NamedTuple):
    """A draft that is a document as soon as it is protected and measured, which is done for many at once."""

    draft: Draft
    rows: Sequence[LedgerPart]
    """What was done to it before."""
    key: bytes


@tidied_rarely()
def read(task: ReadTask, *, settings: Settings) -> ReadResult:
    """The pieces of some portions, cleaned. Raises InputError for settings that do not fit what is read, and for a source that does not answer."""
    if task.spool is None:
        batches: list[pa.RecordBatch] = []
        counts, waits = _read(task.portions, settings, batches.append)
        return ReadResult(counts, waits, tuple(batches))
    with SpoolWriter(task.spool) as spool:
        counts, waits = _read(task.portions, settings, spool.write)
    return ReadResult(counts, waits)


def finish(batch: "pa.RecordBatch", *, settings: Settings) -> "pa.RecordBatch":
    """Documents of waiting pieces whose `lines` are the digests of those that repeat. Keeps their order and keys."""
    keys = batch.column("raw").to_pylist()
    return _batch([_finished(draft, settings, lines, rows, key) for (draft, rows, lines), key in zip(drafts(batch), keys, strict=True)], settings)


def _read(portions: Sequence[Portion | Taken], settings: Settings, write: Callable[["pa.RecordBatch"], object]) -> tuple[tuple[int, ...], int]:
    """Writes batches of the pieces; returns how many each portion gave, and how many of all wait."""
    counts: list[int] = []
    held: list[Raw | Known] = []
    rows = size = 0
    assembly = Assembly(settings, lambda raws: _batch([_cleaned(raw, settings) for raw in raws], settings), write)
    for portion, taken in runs(portions):
        count = 0
        for raw in raw_pieces(portion, settings):
            pieces = len(raw.rows) if isinstance(raw, Known) else 1
            if held and (rows + pieces > BATCH_ROWS or size + raw.size > BATCH_BYTES):
                assembly.add(held)
                held, rows, size = [], 0, 0
            held.append(raw)
            rows, size, count = rows + pieces, size + raw.size, count + pieces
        counts += taken or [count]
    if held:
        assembly.add(held)
    assembly.flush()
    return tuple(counts), assembly.waits


def _batch(made: Sequence["Piece | _Ready"], settings: Settings) -> "pa.RecordBatch":
    """The pieces as a batch, those that are ready protected and measured."""
    safe = iter(settings.guard.protect_all([piece.draft for piece in made if isinstance(piece, _Ready)]))
    made = [_protected(piece, next(safe)) if isinstance(piece, _Ready) else piece for piece in made]
    told, measured = measure([piece.draft for piece in made if isinstance(piece, _Ready)], settings.corpus)
    languages = iter(told)
    pieces = [finished(piece.draft, next(languages), piece.rows, piece.key) if isinstance(piece, _Ready) else piece for piece in made]
    return to_batch(pieces, measured)


def _protected(piece: "_Ready", safe: Draft | Rejected) -> "Piece | _Ready":
    return _lost(piece.draft, safe, piece.rows, piece.key) if isinstance(safe, Rejected) else piece._replace(draft=safe)


def _cleaned(raw: Raw, settings: Settings) -> "Piece | _Ready":
    piece = raw.piece
    if isinstance(piece, LedgerRow):
        return note(piece)
    cleaned = clean(piece) if isinstance(piece, Draft) else piece
    if not isinstance(cleaned, Draft):
        assert cleaned is not None
        return lost(raw.source, cleaned, raw=raw.key)
    if cleaned.kind == "text" and settings.corpus.boilerplate is not None:
        return waiting(cleaned, line_digests(cleaned.text), raw.key)
    return _finished(cleaned, settings, (), (), raw.key)


def _finished(draft: Draft, settings: Settings, repeated: Collection[int], rows: Sequence[LedgerPart], key: bytes) -> "Piece | _Ready":
    """What will be a document, or the lost piece when nothing is left of it; `rows` tell what was done to the draft before."""
    if draft.kind == "text":
        draft = _without_repeated(draft, repeated)
        if not has_prose(draft.text):
            return _lost(draft, Rejected(draft.locator, "no_content", "Nothing but headings is left.", draft.letters() + draft.unused), rows, key)
    if draft.wrapped:
        draft = replace(draft, text=unwrap(draft.text))
    return _Ready(draft, rows, key)


def _without_repeated(draft: Draft, repeated: Collection[int]) -> Draft:
    text, lines = drop_lines(draft.text, repeated)
    if not lines:
        return draft
    reason = f"{lines} {'line' if lines == 1 else 'lines'} found in many files of the folder {'was' if lines == 1 else 'were'} removed."
    gone = count_letters(draft.text) - count_letters(text)
    return draft.edited({"text": tidy_whitespace(text)}, [Edit("drop_boilerplate", reason, lines, "text", characters=gone)])


def _lost(draft: Draft, rejected: Rejected, rows: Sequence[LedgerPart], key: bytes) -> Piece:
    return lost(draft.source, rejected, [*rows, *map(edited, draft.edits)], key)
