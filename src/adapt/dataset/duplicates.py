"""Which records of a table stay once duplicates are gone: exact, near, repeated passages, meaning.

Compared is what is asked and answered: instruction, input and output, without system message and earlier turns. A follow-up such as "Why?"
is told apart by its answer; a pair that agrees in both teaches the same thing under any history. Similar records that differ in what they
ask, or in a fact, are no duplicates (`distinctions`). Of duplicates the first in the order of
preference stays: what the spec prefers, then source, place in it and id.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.progress import Task
from adapt.dataset.dedup.exact import earliest_equals
from adapt.dataset.dedup.near import find_near_duplicates
from adapt.dataset.distinctions import Distinctions, refine_equals
from adapt.dataset.passages import Span, treat_passages
from adapt.dataset.preference import order_of_preference
from adapt.dataset.semantic import find_semantic_duplicates
from adapt.dataset.shared_input import measure_without_input
from adapt.dataset.table import RecordTable
from adapt.records import LedgerRow
from adapt.spec.dataset import DatasetSpec

_REASONS = {
    "exact_duplicate": "Same question and answer as in {}, but for case, width, spacing and punctuation.",
    "near_duplicate": "Nearly the same question and answer as in {}.",
    "repeated_passage": "Much of the answer stands in other records, most of it in {}.",
    "semantic_duplicate": "Says the same as {}.",
}


class Duplicate(NamedTuple):
    """A record that goes, or that was cut."""

    record: int
    """Its number."""
    rule: str
    like: int
    """Number of the record that it was found to be like; for passages, of the one that it shares most with."""
    score: float
    threshold: float
    spans: tuple[Span, ...] = ()
    """Passages: the runs, in characters of the answer."""
    winner: int = -1
    """Number of the record that stays instead: `like`, or where that goes by a later rule, what it goes for in turn."""

    def row(self, table: RecordTable) -> LedgerRow:
        """The ledger row that says so."""
        return LedgerRow.model_construct(
            record=table.id(self.record),
            source=table.source(self.record),
            locator=table.locator(self.record),
            action="dropped",
            rule=self.rule,
            reason=_REASONS[self.rule].format(_place(table, self.like)),
            score=_below(self.score, self.threshold),
            threshold=self.threshold,
            winner=table.id(self.winner),
            field="output" if self.spans else None,
            spans=self.spans,
        )


class Kept(NamedTuple):
    """What the search for duplicates leaves."""

    records: NDArray[np.int64]
    """Numbers of the records that stay, ascending."""
    dropped: list[Duplicate]
    """The others, each by the first rule that found it."""
    measured: dict[str, NDArray[np.float64]]
    """By column of the verdicts, for every record of the table: what was measured of it against those that stay; NaN where nothing was."""
    edited: list[tuple[int, LedgerRow]]
    """Numbers of the records that stay but were cut, with their ledger rows, which name the ids that they had before. Their tokens must be
    counted again."""


def drop_duplicates(table: RecordTable, members: NDArray[np.int64], spec: DatasetSpec, task: Task, root: Path | None = None) -> Kept:
    """Drop exact duplicates among `members`, and what the spec asks for beside them; `root` is what an embedding model's folder is relative to.

    Raises InputError when semantic duplicates need what is not installed.
    """
    preference = order_of_preference(table, table.ranks(), spec.prefer, spec.licences)
    found = _Found(members, preference, task)
    found.drop(_exact(table, members, preference))
    edited: list[tuple[int, LedgerRow]] = []
    if spec.near_duplicates:
        threshold = spec.near_duplicates.threshold
        confirm = measure_without_input(table.alone)
        seen = found.measured["near_similarity"] = np.full(len(table), np.nan)
        drops = find_near_duplicates(
            table.shingles, table.take_band_keys(), found.best_first(), threshold, confirm, seen, Distinctions(table).are_apart
        )
        found.drop(Duplicate(drop.record, "near_duplicate", drop.winner, drop.similarity, threshold) for drop in drops)
    if spec.passages:
        seen = found.measured["repeated_share"] = np.full(len(table), np.nan)
        repeats, edited = treat_passages(table, found.best_first(), spec, spec.passages, seen)
        found.drop(Duplicate(each.record, "repeated_passage", each.winner, each.share, spec.passages.max_share, each.spans) for each in repeats)
    if spec.semantic_duplicates:
        threshold = spec.semantic_duplicates.threshold
        seen = found.measured["semantic_similarity"] = np.full(len(table), np.nan)
        alike = find_semantic_duplicates(table, found.best_first(), spec.semantic_duplicates, root=root, measured=seen)
        found.drop(Duplicate(drop.record, "semantic_duplicate", drop.winner, drop.similarity, threshold) for drop in alike)
    return Kept(np.flatnonzero(found.stays), list(_follow(found.dropped)), found.measured, edited)


class _Found:
    """What was found so far."""

    def __init__(self, members: NDArray[np.int64], preference: NDArray[np.int64], task: Task) -> None:
        self._preference, self._task = preference, task
        self.stays = np.zeros(len(preference), dtype=bool)
        self.stays[members] = True
        self.dropped: list[Duplicate] = []
        self.measured: dict[str, NDArray[np.float64]] = {}

    def drop(self, duplicates: Iterable[Duplicate]) -> None:
        for duplicate in duplicates:
            self._task.advance()
            self.dropped.append(duplicate)
        self.stays[[duplicate.record for duplicate in self.dropped]] = False

    def best_first(self) -> NDArray[np.int64]:
        """The records that stay so far, by preference."""
        records = np.flatnonzero(self.stays)
        return records[np.argsort(self._preference[records])]


def _exact(table: RecordTable, members: NDArray[np.int64], preference: NDArray[np.int64]) -> Iterator[Duplicate]:
    winners = members[earliest_equals(table.contents[members], preference[members])]
    winners = refine_equals(table, members, winners, preference)
    for place in np.flatnonzero(winners != members).tolist():
        yield Duplicate(int(members[place]), "exact_duplicate", int(winners[place]), 1.0, 1.0)


def _follow(dropped: list[Duplicate]) -> Iterator[Duplicate]:
    """The same with their winners. Whoever wins is preferred to who goes, so no chain comes back to where it began."""
    like = {duplicate.record: duplicate.like for duplicate in dropped}
    for duplicate in dropped:
        winner = duplicate.like
        while winner in like:
            winner = like[winner]
        yield duplicate._replace(winner=winner)


def _below(score: float, threshold: float) -> float:
    """The score in four digits, never rounded to below its threshold."""
    return max(round(score, 4), threshold)


def _place(table: RecordTable, number: int) -> str:
    return ", ".join(part for part in (table.source(number), table.locator(number)) if part)
