"""Some of the rows that a rule dropped or edited, texts and all, for a reader who doubts the rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapt.artifact.digest import digest_text
from adapt.errors import InputError
from adapt.explain.outputs import Outputs, Place
from adapt.records import LedgerRow, Shape


@dataclass(frozen=True)
class Sampled:
    """One row, and the row that won where it was a duplicate."""

    record: str
    source: str
    locator: str
    reason: str
    score: float | None
    threshold: float | None
    text: Mapping[str, Any] | None
    """The record or document, as it is now where it was edited; None for a raw row that never became one."""
    winner: str | None = None
    winner_text: Mapping[str, Any] | None = None


def sample(outputs: Outputs, rule: str, *, count: int, seed: int) -> list[Sampled]:
    """At most `count` rows that `rule` dropped, edited or quarantined; a seed always gives the same ones.

    Raises InputError when the rule touched nothing, naming those that did.
    """
    import pyarrow.compute as pc

    rows = list(outputs.ledger_where(pc.field("rule") == rule))
    if not rows:
        raise InputError(f"the rule '{rule}' touched no row of {outputs.name}", hint=f"rules that did: {', '.join(outputs.ledger_rules()) or 'none'}")
    chosen = sorted(rows, key=lambda row: digest_text(str(seed), row.record, row.source, row.locator))[:count]
    return _with_texts(outputs, sorted(chosen, key=lambda row: (row.source, row.locator)))


def _with_texts(outputs: Outputs, rows: list[LedgerRow]) -> list[Sampled]:
    """The rows with the texts of their records or documents, and of those that were kept instead."""
    places = [_place(row) for row in rows]
    verdicts = [row for row in outputs.rows_where("record", (place.record for place in places)) if Place.of(row) in places]
    winners = outputs.winners(verdicts)
    records = outputs.records([*verdicts, *winners.values()])
    documents = outputs.documents(row.record for row in rows)
    found = []
    for row, place in zip(rows, places, strict=True):
        winner = winners.get(place)
        winner_text = records.get(Place.of(winner)) if winner else None
        text = _plain(records.get(place) or documents.get(row.record))
        told = None if row.action == "edited" else row.winner
        found.append(Sampled(row.record, row.source, row.locator, row.reason, row.score, row.threshold, text, told, _plain(winner_text)))
    return found


def _place(row: LedgerRow) -> Place:
    """Where the record of a ledger row stands: one that was cut has a new id, which its row names as well."""
    return Place(row.winner if row.action == "edited" and row.winner else row.record, row.source, row.locator)


def _plain(shape: Shape | None) -> Mapping[str, Any] | None:
    return shape.model_dump(mode="json", exclude={"signals"}, exclude_defaults=True) if shape else None


def dropping_rules(outputs: Outputs) -> list[str]:
    """Rules that dropped a record, commonest first; for shell completion and messages."""
    counts = {row["values"]: row["counts"] for row in outputs.verdicts["rule"].drop_null().value_counts().to_pylist()}
    return sorted(counts, key=lambda rule: (-counts[rule], rule))
