"""The operator of the dataset stage: a batch of documents in, records that are measured, judged, written out and fingerprinted.

Everything that one record alone can say is said here, so that workers do it side by side; what needs all records follows in the driver.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.documents import from_batch, to_batch
from adapt.artifact.tidying import tidied_rarely
from adapt.dataset.characters import DocumentLosses, count_documents, count_own, find_losses
from adapt.dataset.dedup.fingerprints import Fingerprints, fingerprint
from adapt.dataset.dedup.minhash import Bands
from adapt.dataset.filters import PASSES, Evaluated, Facts, evaluate, score_quality
from adapt.dataset.formatters.document import format_document
from adapt.dataset.formatters.result import Candidate, Formatted
from adapt.dataset.long_sections import divide_long_sections
from adapt.dataset.rules import declare_rules
from adapt.dataset.shared_input import read_material
from adapt.dataset.table import UNDATED, Worth, natural
from adapt.dataset.tokens import Counting
from adapt.dataset.verdicts import TEXTS, spool_schema
from adapt.dataset.words import count_words_of
from adapt.records import AlpacaRecord, Document, LedgerRow, Signals
from adapt.spec.dataset import DatasetSpec, NearDuplicates

if TYPE_CHECKING:
    import pyarrow as pa

_YEAR_OR_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Settings:
    """What the operator needs to know; small, and picklable."""

    spec: DatasetSpec
    counting: Counting
    near: NearDuplicates
    """How similarity is measured, also where near-duplicates stay."""
    cut: Bands | None
    """How signatures are cut; None where near-duplicates stay, and nothing looks for candidates."""


class Prepared(NamedTuple):
    """What became of a batch of documents."""

    documents: int
    characters: int
    """Letters and digits of the documents, titles left out."""
    divided: int
    """Sections that were too long for one record and became several."""
    losses: tuple[DocumentLosses, ...]
    """Documents of which one rule took a third or more."""
    parts: list[LedgerRow]
    """Rows for what did not become a record."""
    verdicts: "pa.RecordBatch"
    """All records, as `adapt.dataset.verdicts.Verdicts` takes them."""
    tokens: NDArray[np.int64]
    """Tokens of all records."""
    passing: "Passing"


class Passing(NamedTuple):
    """The records that break no rule so far, in the order of the batch."""

    places: NDArray[np.int64]
    """Their places among all records of the batch."""
    lines: list[bytes]
    """Each record as a line of JSON, without the line's end."""
    worth: Worth
    """What may decide which of several duplicates stays; dates are those of their documents."""
    groups: list[str]
    """What the document belongs to; empty for nothing."""
    fingerprints: Fingerprints


@tidied_rarely()
def prepare(batch: "pa.RecordBatch", settings: Settings) -> Prepared:
    """Format, measure, judge, write out and fingerprint the records of a batch of documents."""
    spec = settings.spec
    documents = from_batch(batch)
    if spec.synthesis and not spec.synthesis.keep_sections:
        formatted = [Formatted([], []) if document.kind == "text" else format_document(document, spec) for document in documents]
    else:
        formatted = [format_document(document, spec) for document in documents]
    return _prepare(batch, documents, formatted, settings)


def prepare_made(documents: Sequence[Document], made: Sequence[Formatted], settings: Settings) -> Prepared:
    """The same for records that were made elsewhere; `made` has those of each document, which is not counted again."""
    return _prepare(to_batch(documents), documents, made, settings, synthesised=True)._replace(documents=0, characters=0, losses=())


def _prepare(
    batch: "pa.RecordBatch", documents: Sequence[Document], formatted: Sequence[Formatted], settings: Settings, *, synthesised: bool = False
) -> Prepared:
    places = [place for place, made in enumerate(formatted) for _ in made.candidates]
    made_of = [candidate for made in formatted for candidate in made.candidates]
    divides = not synthesised and settings.spec.lengths.long_sections == "divide" and settings.spec.form == "instruction"
    divided = divide_long_sections(documents, places, made_of, settings.counting, settings.spec.lengths.max_record_tokens if divides else None)
    candidates, tokens = divided.candidates, divided.tokens
    owners = [documents[place] for place in divided.owners]
    records = [candidate.record for candidate in candidates]
    facts = _gather_facts(batch, np.array(divided.owners, dtype=np.int64), records, tokens)
    rules = declare_rules(settings.spec)
    evaluated = evaluate(rules, facts, settings.spec)
    letters = count_documents(documents)
    own = [0 if synthesised else count_own(documents[place], record, letters[place]) for place, record in zip(divided.owners, records, strict=True)]
    broken = [None if first == PASSES else rules[first].rule for first in evaluated.first.tolist()]
    parts = [row for made in formatted for row in made.dropped]
    return Prepared(
        documents=len(documents),
        characters=sum(letters),
        losses=find_losses(documents, letters, divided.owners, candidates, own, broken, parts),
        divided=divided.sections,
        parts=parts,
        verdicts=_to_verdicts(records, evaluated, own, settings),
        tokens=tokens,
        passing=_keep_passing(owners, candidates, facts, evaluated, settings),
    )


def asked(record: AlpacaRecord) -> str:
    """All that precedes the answer but the system message: records that agree in it belong into one split. Empty for running text."""
    turns = [text for turn in record.history for text in turn]
    return "\n".join(text for text in (*turns, record.instruction, record.input) if text)


def parse_date(date: str) -> int:
    """Seconds of UTC of an ISO 8601 date or time, a year or a month; UNDATED for anything else. Without a zone it counts as UTC."""
    try:
        found = datetime.fromisoformat(date)
    except ValueError:
        short = _YEAR_OR_MONTH.fullmatch(date)
        if short is None or not 1 <= int(short[2] or 1) <= 12 or short[1] == "0000":
            return int(UNDATED)
        found = datetime(int(short[1]), int(short[2] or 1), 1)
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    return int((found - _EPOCH).total_seconds())


def _gather_facts(batch: "pa.RecordBatch", owners: NDArray[np.int64], records: Sequence[AlpacaRecord], tokens: NDArray[np.int64]) -> Facts:
    """Facts about the records; `owners` has the place in the batch of each one's document."""
    import pyarrow.compute as pc

    kinds = batch.column("kind").to_pylist()
    signals = batch.column("signals")
    return Facts(
        languages=[record.language for record in records],
        licences=[record.licence for record in records],
        kinds=[kinds[owner] for owner in owners.tolist()],
        signals={name: pc.cast(signals.field(name), "float64").to_numpy(zero_copy_only=False)[owners] for name in Signals.model_fields},
        words=count_words_of([record.output for record in records]),
        tokens=tokens.astype(np.float64),
    )


def _to_verdicts(records: Sequence[AlpacaRecord], evaluated: Evaluated, own: Sequence[int], settings: Settings) -> "pa.RecordBatch":
    import pyarrow as pa

    fields = {"record": "id"}
    columns: dict[str, object] = {name: [getattr(record, fields.get(name, name)) for record in records] for name in TEXTS}
    columns["place"] = [natural(record.locator) for record in records]
    columns["first"] = evaluated.first
    columns["characters"] = own
    columns |= {name: pa.array(values, mask=np.isnan(values)) for name, values in evaluated.measured.items()}
    return pa.RecordBatch.from_pydict(columns, schema=spool_schema(declare_rules(settings.spec)))


def _keep_passing(owners: Sequence[Document], candidates: Sequence[Candidate], facts: Facts, evaluated: Evaluated, settings: Settings) -> Passing:
    places = np.flatnonzero(evaluated.first == PASSES)
    chosen = places.tolist()
    kept = [candidates[place] for place in chosen]
    dates = {date: parse_date(date) for date in {owners[place].date for place in chosen}}
    return Passing(
        places=places,
        lines=[candidate.record.model_dump_json().encode() for candidate in kept],
        worth=Worth(
            quality=score_quality({name: values[places] for name, values in facts.signals.items()}),
            dates=np.array([dates[owners[place].date] for place in chosen], dtype=np.int64),
            answers=np.array([len(candidate.record.output) for candidate in kept], dtype=np.int64),
        ),
        groups=[owners[place].group for place in chosen],
        fingerprints=fingerprint(
            [candidate.content for candidate in kept],
            [asked(candidate.record) for candidate in kept],
            settings.near,
            settings.cut,
            [read_material(candidate.record) for candidate in kept],
        ),
    )
