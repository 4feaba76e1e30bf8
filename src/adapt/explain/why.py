"""What became of one record, document or raw row: every rule's verdict, every edit, and who won where it was a duplicate."""

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapt.dataset.rules import CONFIDENCE, LANGUAGE
from adapt.dataset.verdicts import DROPPED
from adapt.errors import InputError
from adapt.explain.outputs import Outputs, Place, Row
from adapt.records import AlpacaRecord, LedgerRow

if TYPE_CHECKING:
    import pyarrow as pa

_FEWEST_DIGITS = 6
_MOST_FOUND = 20


@dataclass(frozen=True)
class Verdict:
    """One rule on one record."""

    rule: str
    score: float | str | None
    """What it measured, or the name that it looked at; None where it has nothing to measure, or found nothing to compare with."""
    confidence: float | None
    """Of the language."""
    bound: str
    threshold: Any
    broke: bool
    asked: bool
    """Rules that need all records are not asked of a record that another one dropped before."""


@dataclass(frozen=True)
class Fate:
    """What became of one record that was made."""

    record: str
    source: str
    locator: str
    language: str
    licence: str
    label: str
    outcome: str
    """A split, or `dropped`."""
    rule: str | None
    """Why it was dropped."""
    winner: str | None
    winner_place: str | None
    verdicts: tuple[Verdict, ...]
    """None for a changed copy of a record: rules are asked of what it was made of."""
    text: Mapping[str, Any] | None
    """The record, where it can still be made."""


@dataclass(frozen=True)
class Why:
    """Everything known about what was asked for."""

    spec: str
    asked: str
    events: tuple[LedgerRow, ...]
    """Ledger rows: what was quarantined, edited or dropped, in the order of the stages."""
    fates: tuple[Fate, ...]
    too_many: int = 0
    """So many records are meant that none is told; else 0."""


def why(built: Iterable[Outputs], asked: str) -> list[Why]:
    """The history of `asked` in each data set that knows it: the first digits of an id, `source:locator`, or a source.

    Raises InputError when none does, or when it means too many rows wherever it is known.
    """
    found = [answer for outputs in built if (answer := _why(outputs, asked)).events or answer.fates or answer.too_many]
    if not found:
        raise InputError(
            f"nothing is known of '{asked}'", hint="give the first digits of an id, or source:locator as the ledger has it, such as faq.csv:line 12"
        )
    if all(answer.too_many for answer in found):
        counts = ", ".join(f"{answer.too_many} records of {answer.spec}" for answer in found)
        raise InputError(f"'{asked}' means {counts}", hint="give more digits of the id, or the locator as well")
    return found


def _why(outputs: Outputs, asked: str) -> Why:
    rows: list[Row] = outputs.verdicts.filter(_meant(asked, "record", "document")).to_pylist()
    if len(rows) > _MOST_FOUND:
        return Why(outputs.name, asked, (), (), len(rows))
    events = _events(outputs, asked, rows)
    if cut := {Place(event.winner, event.source, event.locator) for event in events if event.action == "edited" and event.winner}:
        known = {Place.of(row) for row in rows}  # asked for by the id that a record had before it was cut
        more = [row for row in outputs.rows_where("record", {place.record for place in cut}) if Place.of(row) in cut - known]
        rows += more
        events = _events(outputs, asked, rows) if more else events
    records, winners = outputs.records(rows), outputs.winners(rows)
    fates = [_fate(outputs, row, records.get(Place.of(row)), winners.get(Place.of(row))) for row in rows]
    fates += map(_copied, outputs.copies(asked if _is_id(asked) else "", {row["record"] for row in rows}))
    return Why(outputs.name, asked, tuple(events), tuple(fates))


def _events(outputs: Outputs, asked: str, rows: Iterable[Row]) -> list[LedgerRow]:
    """Ledger rows for what was asked for, for `rows` (under the ids that they had before they were cut, too), and for their documents."""
    import pyarrow as pa
    import pyarrow.compute as pc

    places, documents = {Place.of(row) for row in rows}, {row["document"] for row in rows}
    ids = pa.array(sorted({place.record for place in places} | documents), pa.string())
    chosen = _meant(asked, "record") | pc.field("record").isin(ids) | ((pc.field("action") == "edited") & pc.field("winner").isin(ids))
    return [event for event in outputs.ledger_where(chosen) if _concerns(event, asked, places, documents)]


def _concerns(event: LedgerRow, asked: str, places: Set[Place], documents: Set[str]) -> bool:
    """Whether a ledger row with a fitting id is about what was asked for, and not about a copy of equal content elsewhere."""
    if event.record in documents or (event.record.startswith(asked) if _is_id(asked) else _is_at(event, asked)):
        return True
    ids = (event.record, event.winner or "") if event.action == "edited" else (event.record,)
    return any(Place(id, event.source, event.locator) in places for id in ids)


def _meant(asked: str, *ids: str) -> "pa.compute.Expression":
    """Rows with an id, in one of the columns `ids`, that begins with `asked`; else rows of that source or place."""
    import pyarrow.compute as pc

    if _is_id(asked):
        chosen = pc.scalar(False)
        for name in ids:
            chosen |= pc.starts_with(pc.field(name), pattern=asked)
        return chosen
    place = pc.binary_join_element_wise(pc.field("source"), pc.field("locator"), pc.scalar(":"))
    return (pc.field("source") == asked) | (place == asked) | pc.starts_with(place, pattern=f"{asked}, ")


def _is_id(asked: str) -> bool:
    return len(asked) >= _FEWEST_DIGITS and not set(asked) - set("0123456789abcdef")


def _is_at(event: LedgerRow, asked: str) -> bool:
    place = f"{event.source}:{event.locator}"
    return asked in (event.source, place) or place.startswith(f"{asked}, ")


def _fate(outputs: Outputs, row: Row, record: AlpacaRecord | None, winner: Row | None) -> Fate:
    return Fate(
        **{name: row[name] for name in ("record", "source", "locator", "language", "licence", "label", "outcome", "rule", "winner")},
        winner_place=", ".join(part for part in (winner["source"], winner["locator"]) if part) if winner else None,
        verdicts=tuple(_verdicts(outputs, row)),
        text=_text(record) if record else None,
    )


def _copied(copy: AlpacaRecord) -> Fate:
    """The fate of a changed copy that trains."""
    facts = {name: getattr(copy, name) for name in ("source", "locator", "language", "licence", "label")}
    return Fate(copy.id, **facts, outcome="train", rule=None, winner=None, winner_place=None, verdicts=(), text=_text(copy))


def _verdicts(outputs: Outputs, row: Row) -> Iterator[Verdict]:
    """Every rule with what it measured."""
    rules = outputs.report.rules
    broken = next((number for number, rule in enumerate(rules) if row["outcome"] == DROPPED and row["rule"] == rule.rule), len(rules))
    for number, rule in enumerate(rules):
        confidence = row.get(CONFIDENCE) if rule.rule == LANGUAGE else None
        asked = number <= broken or rule.bound != "below"
        yield Verdict(rule.rule, row.get(rule.column), confidence, rule.bound, rule.threshold, number == broken, asked)


def _text(record: AlpacaRecord) -> Mapping[str, Any]:
    return record.model_dump(mode="json", exclude_defaults=True)
