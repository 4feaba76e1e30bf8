"""Questions that are answered in several ways, and answers that stand under several questions.

Enters: the records that stay once duplicates are gone. Leaves: what the spec's policy does with them, and every contradiction for a reader.

Two records contradict each other when they ask the same (in normal form, earlier turns and material included) under the same system
message and answer differently, or when copies of one record bear different labels. Questions made of headings are left out: two
pages have a section "Overview", and neither is wrong.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.exact import content_keys
from adapt.dataset.dedup.normal import normalise
from adapt.dataset.distinctions import read_question
from adapt.dataset.formatters.result import known_by, record_id
from adapt.dataset.rules import CONTRADICTION, SHARED_ANSWER
from adapt.dataset.table import RecordTable
from adapt.dataset.tokens import Counting, count_all
from adapt.records import AlpacaRecord, LedgerRow, Shape
from adapt.spec.dataset import ContradictionPolicy, DatasetSpec, NearDuplicates, SharedAnswers
from adapt.text.words import count_words

FILE = "contradictions.jsonl"
Numbers = NDArray[np.int64]
_RECORDS_AT_ONCE = 4096


class Side(Shape):
    """One record of a contradiction."""

    record: str
    source: str
    locator: str
    label: str
    stays: bool


class Contradiction(Shape):
    """Records that give one question different answers or labels; a line of contradictions.jsonl."""

    differs: Literal["answer", "label"]
    sides: tuple[Side, ...]
    """At least two, in the order of preference."""


class Dropped(NamedTuple):
    """A record that goes."""

    record: int
    """Its number."""
    row: LedgerRow
    winner: int | None
    """Number of the record that stays instead; None when none does."""


def find_contradictions(
    table: RecordTable, kept: Numbers, copies: Mapping[int, Mapping[int, str]], preference: Numbers
) -> list[tuple[Literal["answer", "label"], list[int]]]:
    """Families of records that contradict each other, each in the order of `preference`, which has a place for every record of the table.

    `copies` has, for records that stay, the labels of all their copies and their own, by number.
    """
    found: list[tuple[Literal["answer", "label"], list[int]]] = [("answer", group) for group in _answered_differently(table, kept)]
    known = {number for _, group in found for number in group}
    for winner, labels in copies.items():
        if winner not in known and len({label for label in labels.values() if label}) > 1:
            found.append(("label", list(labels)))
    ordered: list[tuple[Literal["answer", "label"], list[int]]] = [
        (differs, sorted(group, key=lambda number: int(preference[number]))) for differs, group in found
    ]
    return sorted(ordered, key=lambda family: int(preference[family[1][0]]))


def settle_contradiction(table: RecordTable, group: Sequence[int], standing: Sequence[int], policy: ContradictionPolicy) -> list[Dropped]:
    """What the policy drops of a family; `standing` has those of its records that no duplicate replaces, best first."""
    if policy == "keep":
        return []
    winner = standing[0] if policy == "prefer" else None
    gone = standing[1:] if policy == "prefer" else standing
    reason = "The question has other answers or labels as well"
    reason += ", and the spec prefers another record." if policy == "prefer" else ", and the spec drops all of them."
    return [Dropped(number, _row(table, number, CONTRADICTION, reason, len(group) - 1, 1, winner), winner) for number in gone]


def describe_contradiction(table: RecordTable, differs: Literal["answer", "label"], group: Sequence[int], staying: set[int]) -> Contradiction:
    """A family for a reader."""
    records = [(number in staying, table.read(number)) for number in group]
    sides = [Side(record=each.id, source=each.source, locator=each.locator, label=each.label, stays=stays) for stays, each in records]
    return Contradiction(differs=differs, sides=tuple(sides))


def _answered_differently(table: RecordTable, kept: Numbers) -> Iterator[list[int]]:
    """Groups of records of one question and system message. Exact duplicates are gone, so their answers differ."""
    asking = kept[table.questions[kept].any(axis=1)]
    _, group, sizes = np.unique(table.questions[asking], axis=0, return_inverse=True, return_counts=True)
    shared = asking[sizes[group.reshape(-1)] > 1]
    families: defaultdict[tuple[bytes, str], list[int]] = defaultdict(list)
    for number in shared.tolist():
        record = table.read(number)
        if read_question(table, number)[0]:
            families[table.questions[number].tobytes(), record.system].append(number)
    return (family for family in families.values() if len(family) > 1)


class SharedAnswerRule:
    """Lets so many records with one answer stay as the spec says, and drops the others or merges their questions into one that stays."""

    def __init__(self, table: RecordTable, spec: DatasetSpec, rule: SharedAnswers, counting: Counting) -> None:
        self._table, self._spec, self._rule, self._counting = table, spec, rule, counting
        self.dropped: list[Dropped] = []
        self.edited: list[tuple[int, LedgerRow]] = []
        """Numbers of records that ask more than before, with rows that name the ids that they had."""

    def apply(self, kept: Numbers, preference: Numbers) -> None:
        """Judge all records of `kept`."""
        families: defaultdict[bytes, list[int]] = defaultdict(list)
        ordered = kept[np.argsort(preference[kept])]
        for start in range(0, len(ordered), _RECORDS_AT_ONCE):
            part = ordered[start : start + _RECORDS_AT_ONCE].tolist()
            answers = [self._table.read(number).output for number in part]
            for number, answer, key in zip(part, answers, content_keys(normalise(answers)), strict=True):
                if count_words(answer) >= self._rule.min_words:
                    families[key.tobytes()].append(number)
        for family in families.values():
            if len(family) > self._rule.most:
                self._settle(family)
        if self.edited:
            self._table.reopen()

    def _settle(self, family: list[int]) -> None:
        staying, rest = family[: self._rule.most], family[self._rule.most :]
        merged = self._merge(staying[0], rest) if self._rule.action == "merge" else None
        for place, number in enumerate(rest, self._rule.most):
            if merged is not None and number not in merged:
                continue
            verb = "asked with" if merged is not None else "kept instead"
            reason = f"{place:,} records with this answer come before it; another is {verb}."
            row = _row(self._table, number, SHARED_ANSWER, reason, place, self._rule.most, staying[0])
            self.dropped.append(Dropped(number, row, staying[0]))

    def _merge(self, number: int, others: Sequence[int]) -> set[int]:
        """Ask the questions of the others in one record, as far as it stays short enough; returns whose questions it asks now."""
        record = self._table.read(number)
        before, merged = record, set()
        for other in others:
            asked = self._table.read(other)
            if not _may_be_merged(record, asked):
                continue
            longer = _with_instruction(record, f"{record.instruction}\n{asked.instruction}")
            if count_all([longer], self._counting)[0] <= self._spec.lengths.max_record_tokens:
                record = longer
                merged.add(other)
        if merged:
            reason = f"Asks the questions of {len(merged):,} other records that have its answer."
            row = _row(self._table, number, SHARED_ANSWER, reason, None, None, None)
            row = row.model_copy(update={"action": "edited", "winner": record.id, "field": "instruction", "record": before.id})
            self.edited.append((number, row))
            content = known_by(record.instruction, record.input, record.output, record.rejected)
            self._table.replace(number, record, content, self._spec.near_duplicates or NearDuplicates())
            self._table.questions[number] = content_keys(normalise([record.instruction]))[0]
        return merged


def _may_be_merged(record: AlpacaRecord, other: AlpacaRecord) -> bool:
    """Whether two records of one answer differ in nothing but the question."""
    bare = not any((record.input, record.history, record.rejected, other.input, other.history, other.rejected))
    return bare and (record.system, record.label) == (other.system, other.label)


def _with_instruction(record: AlpacaRecord, instruction: str) -> AlpacaRecord:
    changed = record_id(instruction, record.input, record.output, record.system, record.history, record.rejected)
    return record.model_copy(update={"instruction": instruction, "id": changed})


def _row(table: RecordTable, number: int, rule: str, reason: str, score: float | None, threshold: float | None, winner: int | None) -> LedgerRow:
    return LedgerRow(
        record=table.id(number),
        source=table.source(number),
        locator=table.locator(number),
        action="dropped",
        rule=rule,
        reason=reason,
        score=score,
        threshold=threshold,
        winner=None if winner is None else table.id(winner),
    )
