"""Which records of a build are still in: table, verdicts and ledger kept in step while duplicates and contaminated records go."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.progress import Task
from adapt.dataset.agreement import (
    Contradiction,
    Dropped,
    SharedAnswerRule,
    describe_contradiction,
    find_contradictions,
    settle_contradiction,
)
from adapt.dataset.contamination import Contaminated, ledger_row
from adapt.dataset.dedup.near import Measure
from adapt.dataset.duplicates import drop_duplicates
from adapt.dataset.groups import group_records
from adapt.dataset.intake import Taken
from adapt.dataset.ledger import Ledger
from adapt.dataset.partition import Facts, Partition
from adapt.dataset.preference import order_of_preference
from adapt.dataset.prepare import Settings
from adapt.dataset.rules import CONTAMINATION, TEST_CONTAMINATION
from adapt.dataset.shared_input import measure_without_input
from adapt.dataset.table import RecordTable
from adapt.dataset.tokens import count_all
from adapt.dataset.verdicts import Verdicts
from adapt.records import LedgerRow
from adapt.spec.dataset import Form
from adapt.text.words import count_words

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.int64]
_CORRECTED_AT_ONCE = 1024


class Selection:
    """The records that stay, as numbers of the table."""

    def __init__(self, table: RecordTable, verdicts: Verdicts, ledger: Ledger, taken: Taken, settings: Settings) -> None:
        self.table, self.verdicts, self.ledger = table, verdicts, ledger
        self._taken, self._settings = taken, settings
        self.kept: Numbers = np.arange(len(table))
        self.winners: dict[int, int] = {}
        """For each duplicate the record that stays instead."""
        self.contamination: dict[str, Counter[str]] = {CONTAMINATION: Counter(), TEST_CONTAMINATION: Counter()}
        """Records dropped for each evaluation text, by rule."""
        self.edited: Counter[str] = Counter()
        """Records changed, by rule."""
        self.cut = 0
        """Letters and digits cut out of records that stay."""
        self.contradictions: list[Contradiction] = []
        self.references: dict[str, Contaminated] = {}
        """By rule, the search that passed over reference text."""

    @property
    def form(self) -> Form:
        """What kind of data set it is."""
        return self._settings.spec.form

    def drop_duplicates(self, task: Task, root: Path | None = None) -> None:
        """Drop duplicates, and measure again what was cut; `root` is what the folder of an embedding model is relative to."""
        found = drop_duplicates(self.table, self.kept, self._settings.spec, task, root)
        for duplicate in found.dropped:
            self.winners[duplicate.record] = duplicate.winner
            row = duplicate.row(self.table)
            self._drop(duplicate.record, row, duplicate.winner)
            self.ledger.add([row])
        for column, values in found.measured.items():
            self.verdicts.measure(column, self._taken.rows, values)
        self.ledger.add(row for _, row in found.edited)
        self.edited.update(row.rule for _, row in found.edited)
        self.cut += sum(row.characters or 0 for _, row in found.edited)
        self.kept = found.records
        self._measure_again(np.array([number for number, _ in found.edited], dtype=np.int64))

    def settle_answers(self) -> None:
        """Find what contradicts each other, and what stands under several questions; do with both what the spec says. Duplicates are gone."""
        spec, table = self._settings.spec, self.table
        preference = order_of_preference(table, table.ranks(), spec.prefer, spec.licences)
        standing = set(self.kept.tolist())
        families = find_contradictions(table, self.kept, self._labels_of_copies(), preference)
        for _, group in families:
            self._drop_all(settle_contradiction(table, group, [number for number in group if number in standing], spec.contradictions))
        staying = set(self.kept.tolist())
        self.contradictions = [describe_contradiction(table, differs, group, staying) for differs, group in families]
        if spec.shared_answers:
            rule = SharedAnswerRule(table, spec, spec.shared_answers, self._settings.counting)
            rule.apply(self.kept, preference)
            self._drop_all(rule.dropped)
            self.ledger.add(row for _, row in rule.edited)
            self.edited.update(row.rule for _, row in rule.edited)
            self._measure_again(np.array([number for number, _ in rule.edited], dtype=np.int64))

    def drop_contaminated(self, found: Contaminated, rule: str) -> Numbers:
        """Drop records that hold text of an evaluation set; returns their numbers."""
        self.references[rule] = found._replace(hits=[])
        threshold = self._settings.spec.decontamination.min_share
        dropped = []
        for hit in found.hits:
            row = ledger_row(hit, self.table.read(hit.record), rule, threshold)
            self._drop(hit.record, row)
            self.ledger.add([row])
            self.contamination[rule][hit.name] += 1
            dropped.append(hit.record)
        numbers = np.array(dropped, dtype=np.int64)
        self.kept = self.kept[~np.isin(self.kept, numbers)]
        return numbers

    def facts(self) -> Facts:
        """What a split looks at, of the records that stay."""
        import pyarrow as pa
        import pyarrow.compute as pc

        split = self._settings.spec.split
        ids = pa.chunked_array([pa.array([self.table.id(number) for number in self.kept.tolist()], pa.string())])
        order = pc.sort_indices(ids).to_numpy()
        members = self.kept[order]
        strata = None if split.stratify == "none" else self.column(split.stratify, members)
        table = self.table
        return Facts(members, ids.take(order), strata, table.worth.dates[members], table.documents[members], table.tokens[members])

    def may_be_alike(self) -> bool:
        """Whether records that stay may well resemble each other: near-duplicates stay, or bring the same material, or were cut to resemble."""
        material = self.table.alone.sizes()[self.kept].any()
        return self._settings.spec.near_duplicates is None or bool(material) or bool(self.edited)

    def labels(self, *, alike: bool) -> Numbers:
        """A group for each record of the table: records of equal label must stay together; `alike` looks for all that resemble each other."""
        groups = group_records(self.kept, self.table.documents, self.table.questions)
        if alike:
            groups.join_similar(self.kept, self.table.shingles, self._settings.near.threshold, self.confirm)
        if self._settings.spec.split.shared_input == "keep":
            given = self.kept[self.table.inputs[self.kept].any(axis=1)]
            groups.join_equal(given, self.table.inputs)
        if self._settings.spec.split.by == "group":
            named = self.kept[self._taken.groups[self.kept] >= 0]
            groups.join_equal(named, self._taken.groups.astype(np.uint64)[:, None])
        return groups.labels

    @property
    def confirm(self) -> Measure | None:
        """Measures similarity once more without what records share as material; None where materials stay in one split."""
        return measure_without_input(self.table.alone) if self._settings.spec.split.shared_input == "divide" else None

    def groups_of(self, members: Numbers) -> Numbers | None:
        """What `fields.group` names of each member, when splits go by it."""
        return self._taken.groups[members] if self._settings.spec.split.by == "group" else None

    def settle(self, parts: Partition) -> None:
        """Note the split of every record that stays."""
        self.verdicts.outcome[self._taken.rows[parts.members]] = parts.splits

    def repeat(self, training: Numbers, repeats: NDArray[np.int32]) -> None:
        """Note how often mixing takes training records."""
        self.verdicts.repeats[self._taken.rows[training]] = repeats

    def column(self, name: str, numbers: Numbers) -> "pa.ChunkedArray":
        """A column of the verdicts for some records."""
        return self.verdicts.column(name, self._taken.rows[numbers])

    def _labels_of_copies(self) -> dict[int, dict[int, str]]:
        """The labels of records that stay and of their duplicates, by the number of the one that stays; those without a label are left out."""
        duplicates = np.array(sorted(self.winners), dtype=np.int64)
        labels = dict(zip(duplicates.tolist(), self.column("label", duplicates).to_pylist(), strict=True))
        families: dict[int, dict[int, str]] = {}
        for number, label in labels.items():
            if label:
                families.setdefault(self.winners[number], {})[number] = label
        winners = np.array(sorted(families), dtype=np.int64)
        for number, label in zip(winners.tolist(), self.column("label", winners).to_pylist(), strict=True):
            families[number][number] = label
        return families

    def _drop_all(self, dropped: Iterable[Dropped]) -> None:
        """Drop records by rules that look at several."""
        numbers = []
        for each in dropped:
            if each.winner is not None:
                self.winners[each.record] = each.winner
            self._drop(each.record, each.row, each.winner)
            self.ledger.add([each.row])
            numbers.append(each.record)
        self.kept = self.kept[~np.isin(self.kept, np.array(numbers, dtype=np.int64))]

    def _drop(self, number: int, row: LedgerRow, winner: int | None = None) -> None:
        place = None if winner is None else int(self._taken.rows[winner])
        self.verdicts.drop(int(self._taken.rows[number]), row.rule, row.score, row.winner, place)

    def _measure_again(self, numbers: Numbers) -> None:
        """Count words and tokens of records that were cut; what is left of them is long enough."""
        for start in range(0, len(numbers), _CORRECTED_AT_ONCE):
            part = numbers[start : start + _CORRECTED_AT_ONCE]
            records = [self.table.read(number) for number in part.tolist()]
            self.table.tokens[part] = count_all(records, self._settings.counting)
            for number, record, tokens in zip(part.tolist(), records, self.table.tokens[part].tolist(), strict=True):
                row, words = int(self._taken.rows[number]), count_words(record.output)
                self.verdicts.correct(row, record.id, {"tokens": float(tokens), "output_words": words})
