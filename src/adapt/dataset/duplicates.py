"""The second step: which records of a table stay once exact and near-duplicates are gone, with a ledger row for each that goes.

Compared is what is asked and answered: instruction, input and output, without system message and earlier turns. A follow-up such as "Why?"
is told apart by its answer; a pair that agrees in both teaches the same thing under any history. Of duplicates the first by source, place
in it and id stays. The longer one would be no better a choice: of two texts that differ in a few words it is either, by chance.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.progress import Task
from adapt.dataset.dedup.exact import earliest_equals
from adapt.dataset.dedup.near import find_near_duplicates
from adapt.dataset.table import RecordTable
from adapt.records import LedgerRow


class Kept(NamedTuple):
    """Numbers of the records that stay, and rows for the others."""

    records: NDArray[np.int64]
    dropped: list[LedgerRow]


def drop_duplicates(table: RecordTable, threshold: float | None, task: Task) -> Kept:
    """Drop exact duplicates, and near-duplicates of at least `threshold` similarity unless it is None."""
    ranks = table.ranks()
    winners = earliest_equals(table.contents, ranks)
    numbers = np.arange(len(table))
    rows = [_exact_row(table, int(number), int(winners[number])) for number in np.flatnonzero(winners != numbers)]
    kept = np.flatnonzero(winners == numbers)
    if threshold is None:
        return Kept(kept, rows)
    in_order = kept[np.argsort(ranks[kept])]
    goes = np.zeros(len(table), dtype=bool)
    for drop in find_near_duplicates(table.shingles, table.take_band_keys(), in_order, threshold):
        task.advance()
        goes[drop.record] = True
        rows.append(_near_row(table, drop.record, drop.winner, drop.similarity, threshold))
    return Kept(kept[~goes[kept]], rows)


def _exact_row(table: RecordTable, loser: int, winner: int) -> LedgerRow:
    return LedgerRow(
        record=table.ids[loser],
        source=table.sources[loser],
        locator=table.locators[loser],
        action="dropped",
        rule="exact_duplicate",
        reason=f"Same question and answer as in {_place(table, winner)}, but for case, width, spacing and punctuation.",
        winner=table.ids[winner],
    )


def _near_row(table: RecordTable, loser: int, winner: int, similarity: float, threshold: float) -> LedgerRow:
    return LedgerRow(
        record=table.ids[loser],
        source=table.sources[loser],
        locator=table.locators[loser],
        action="dropped",
        rule="near_duplicate",
        reason=f"Nearly the same question and answer as in {_place(table, winner)}.",
        score=round(similarity, 4),
        threshold=threshold,
        winner=table.ids[winner],
    )


def _place(table: RecordTable, number: int) -> str:
    return ", ".join(part for part in (table.sources[number], table.locators[number]) if part)
