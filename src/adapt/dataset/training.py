"""Changed copies of training records, and the proof that they lead nothing across the splits.

A copy may be too short or too long, as any record. It may also come nearer to a held-out record than its parent was, by chance or by a teacher
that knows the answer. Copies that do are dropped: those that ask the question of a held-out record, whose text reaches the threshold of
near-duplicates with one, or that quote the test split.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.contamination import find_quotes, ledger_row
from adapt.dataset.dedup.fingerprints import fingerprint
from adapt.dataset.dedup.near import Measure
from adapt.dataset.filters import explain
from adapt.dataset.formatters.result import known_by
from adapt.dataset.leakage import Searched, search_sides
from adapt.dataset.partition import Partition
from adapt.dataset.prepare import Settings, asked
from adapt.dataset.report import Augmented
from adapt.dataset.rules import TEST_CONTAMINATION, Rule, declare_rules
from adapt.dataset.shared_input import measure_without_input, read_material
from adapt.dataset.split import SPLITS
from adapt.dataset.table import RecordTable, Worth, natural
from adapt.dataset.tokens import count_all
from adapt.records import AlpacaRecord, LedgerRow
from adapt.spec.dataset import Decontamination
from adapt.text.words import count_words

Numbers = NDArray[np.int64]
SAME_QUESTION, NEAR_COPY = "question_of_held_out", "near_duplicate_of_held_out"
_LENGTHS = ("too_short", "too_long")
_AT_ONCE = 1024
_KEY_BYTES = 16
_TRAIN = SPLITS.index("train")


class Copies:
    """Copies of training records in a table of their own, held-out records before them."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        folder.mkdir()
        self._folder, self._settings = folder, settings
        self._table = RecordTable(folder)
        self._methods: list[str] = []
        self._kept: Numbers = np.zeros(0, dtype=np.int64)
        self._splits: Numbers = np.zeros(0, dtype=np.int64)
        self._held_out = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._table.__exit__(kind, error, trace)
        self._folder.rmdir()

    def take(self, table: RecordTable, parts: Partition, copies: Iterable[AlpacaRecord]) -> None:
        """Take in the held-out records of `table`, then the copies; those with an id that a split has already are left out."""
        held_out = parts.members[parts.splits != _TRAIN]
        self._append(map(table.read, held_out.tolist()))
        self._held_out = len(held_out)
        taken = {table.id(number) for number in parts.members.tolist()}
        self._append(_noting(copies, self._methods, taken))
        self._table.finish()
        copied = len(self._table) - self._held_out
        self._splits = np.concatenate([parts.splits[parts.splits != _TRAIN], np.full(copied, _TRAIN, dtype=np.int64)])
        self._kept = np.arange(self._held_out, len(self._table))

    def drop_unfit(self) -> list[LedgerRow]:
        """Drop copies that are too short or too long; returns the rows that say so."""
        rules = [rule for rule in declare_rules(self._settings.spec) if rule.rule in _LENGTHS]
        rows = {number: row for number in self._kept.tolist() if (row := self._judge(number, rules))}
        self._drop(list(rows))
        return list(rows.values())

    def drop_near_held_out(self) -> list[LedgerRow]:
        """Drop copies that ask what a held-out record asks, or that resemble one; returns the rows that say so."""
        table, near = self._table, self._settings.near
        held_out = np.arange(self._held_out)
        known = set(map(bytes, table.questions[held_out])) - {bytes(_KEY_BYTES)}  # the key of those that ask nothing
        same = [number for number in self._kept.tolist() if bytes(table.questions[number]) in known]
        crossing = search_sides(table.shingles, np.arange(len(table)), self._sides(), near.threshold, self._confirm())
        near_ones = set(crossing.pairs.max(axis=1).tolist())  # held-out records come first
        alike = near_ones & set(self._kept.tolist())
        rows = [self._row(number, SAME_QUESTION, "The copy asks the question of a held-out record.") for number in same]
        rows += [self._row(number, NEAR_COPY, "The copy is nearly a held-out record.") for number in sorted(alike - set(same))]
        self._drop([*alike, *same])
        return rows

    def drop_quotes(self, spec: Decontamination) -> list[LedgerRow]:
        """Drop copies that hold text of the test split; returns the rows that say so."""
        test = np.flatnonzero(self._splits[: self._held_out] == SPLITS.index("test"))
        hits = find_quotes(self._table, test, self._kept, spec).hits
        self._drop([hit.record for hit in hits])
        return [ledger_row(hit, self._table.read(hit.record), TEST_CONTAMINATION, spec.min_share) for hit in hits]

    @property
    def kept(self) -> Numbers:
        """Numbers in `table` of the copies that train."""
        return self._kept

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Id and line of each copy that trains, by ascending id."""
        for number in sorted(self._kept.tolist(), key=self._table.id):
            yield self._table.id(number), self._table.line(number)

    def searched(self) -> Searched:
        """What the proof looks at: copies against held-out records, which were searched among themselves already."""
        members = np.concatenate([np.arange(self._held_out), self._kept])
        return Searched(
            crossing=search_sides(self._table.shingles, members, self._sides()[members], self._settings.near.threshold, self._confirm()),
            members=members,
            splits=self._splits[members],
            documents=self._table.documents[members],
            questions=self._table.questions[members],
            inputs=self._table.inputs[members],
        )

    def figures(self, dropped: Iterable[LedgerRow]) -> Augmented:
        """What was made, for the report."""
        methods = Counter(self._methods[number - self._held_out] for number in self._kept.tolist())
        return Augmented(
            records=dict(sorted(methods.items())),
            dropped=dict(sorted(Counter(row.rule for row in dropped).items())),
            tokens=int(self._table.tokens[self._kept].sum()),
        )

    def _confirm(self) -> Measure | None:
        return measure_without_input(self._table.alone) if self._settings.spec.split.shared_input == "divide" else None

    def _sides(self) -> Numbers:
        """0 for held-out records, 1 for copies."""
        return (np.arange(len(self._table)) >= self._held_out).astype(np.int64)

    def _append(self, records: Iterable[AlpacaRecord]) -> None:
        import pyarrow as pa

        waiting = iter(records)
        settings = self._settings
        while group := list(islice(waiting, _AT_ONCE)):
            facts = {name: [getattr(record, name) for record in group] for name in ("document", "source", "locator", "licence")}
            facts |= {"record": [record.id for record in group], "place": [natural(record.locator) for record in group]}
            contents = [known_by(record.instruction, record.input, record.output, record.rejected) for record in group]
            nothing = np.zeros(len(group), dtype=np.int64)
            self._table.append(
                pa.RecordBatch.from_pydict(facts),
                [record.model_dump_json().encode() for record in group],
                fingerprint(contents, [asked(record) for record in group], settings.near, None, [read_material(each) for each in group]),
                tokens=count_all(group, settings.counting),
                worth=Worth(nothing.astype(np.float64), nothing, nothing),
            )

    def _drop(self, numbers: Sequence[int]) -> None:
        self._kept = self._kept[~np.isin(self._kept, np.array(numbers, dtype=np.int64))]

    def _judge(self, number: int, rules: Iterable[Rule]) -> LedgerRow | None:
        """The row of the first rule that a copy breaks."""
        measured = {"output_words": count_words(self._table.read(number).output), "tokens": float(self._table.tokens[number])}
        for rule in rules:
            value, threshold = measured[rule.column], rule.threshold
            if isinstance(threshold, float | int) and (value < threshold if rule.bound == "min" else value > threshold):
                return self._row(number, rule.rule, explain(rule, value)).model_copy(update={"score": value, "threshold": threshold})
        return None

    def _row(self, number: int, rule: str, reason: str) -> LedgerRow:
        record = self._table.read(number)
        return LedgerRow(record=record.id, source=record.source, locator=record.locator, action="dropped", rule=rule, reason=reason)


def _noting(copies: Iterable[AlpacaRecord], methods: list[str], taken: set[str]) -> Iterator[AlpacaRecord]:
    for copy in copies:
        if copy.origin is None:
            raise AssertionError("a copy without its origin")
        if copy.id not in taken:
            taken.add(copy.id)
            methods.append(copy.origin.method)
            yield copy
