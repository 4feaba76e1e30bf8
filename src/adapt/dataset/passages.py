"""Long runs of text that stand in several records: quotations, disclaimers, templates. Enters: a table; leaves: what goes and what was cut.

Only answers are searched: questions about one table or letter share it as their input, and should. Records are judged best first, each against
those that stay, so the first record with a run keeps it. Anchors say where to look (`dedup.winnowing`); each run is then compared unit by unit.
Memory holds the anchors that several records have; the texts stay in the table's file.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.anchors import AnchorFile
from adapt.dataset.dedup.folding import Units, read_units
from adapt.dataset.dedup.runs import Run, RunSearch, merge
from adapt.dataset.dedup.winnowing import Anchors, choose_anchors
from adapt.dataset.formatters.result import known_by, record_id
from adapt.dataset.table import RecordTable
from adapt.records import LedgerRow
from adapt.spec.dataset import DatasetSpec, NearDuplicates, Passages
from adapt.text.letters import count_letters
from adapt.text.words import count_words

Span = tuple[int, int]
_CHARACTERS_AT_ONCE = 1 << 20
_BY_CHARACTER = np.uint64(0x5851F42D4C957F2D)
_SENTENCE_END = re.compile(r"[。！？…]+[”’」』）]*\s*|(?<![.!?])[.!?]++[\"'”’)\]]*+(?:\s++|$)|\n\s*|$")
_LETTERS = re.compile(r"\w(?:.*\w)?", re.DOTALL)


class Repeat(NamedTuple):
    """A record that goes for its runs."""

    record: int
    winner: int
    """The record that has most of them."""
    share: float
    """Of its units."""
    spans: tuple[Span, ...]
    """The runs, in characters of the answer."""


def treat_passages(
    table: RecordTable, members: NDArray[np.int64], spec: DatasetSpec, passages: Passages, measured: NDArray[np.float64] | None = None
) -> tuple[list[Repeat], list[tuple[int, LedgerRow]]]:
    """Which of the records `members` (best first) go, and which were cut in `table`, with their ledger rows. `measured` takes, by number of the
    record, the share of those that have runs and are left as they are."""
    judge = _Judge(table, members, spec, passages)
    with AnchorFile(table.folder) as file:
        for first, units in _read(table, members):
            numbers = np.arange(first, first + len(units.unspaced))
            for shortest, texts, salt in ((passages.min_words, ~units.unspaced, 0), (passages.min_characters, units.unspaced, _BY_CHARACTER)):
                found = choose_anchors(units, shortest, texts)
                file.append(Anchors(found.hashes ^ np.uint64(salt), found.texts, found.units), numbers)
        for number, anchors in file.shared():
            judge.judge(number, anchors)
    if measured is not None:
        measured[list(judge.shares)] = list(judge.shares.values())
    if judge.edited:
        table.reopen()
    return judge.repeats, judge.edited


class _Judge:
    """Judges the members that share anchors, by their place among the members, in order."""

    def __init__(self, table: RecordTable, members: NDArray[np.int64], spec: DatasetSpec, passages: Passages) -> None:
        self._table, self._members, self._spec, self._passages = table, members, spec, passages
        self._line = table.lines_as_now()  # runs and anchors are of the texts as they were before any was cut
        self._search = RunSearch(lambda number: self._units(number).hashes)
        self.repeats: list[Repeat] = []
        self.shares: dict[int, float] = {}
        self.edited: list[tuple[int, LedgerRow]] = []

    def judge(self, number: int, anchors: list[tuple[int, int]]) -> None:
        units = self._units(number)
        shortest = self._passages.min_characters if units.unspaced[0] else self._passages.min_words
        runs = self._search.find(number, anchors, shortest)
        if not runs or not self._goes(number, units, runs):
            self._search.keep(number, anchors, runs)

    def _goes(self, number: int, units: Units, runs: list[Run]) -> bool:
        """Whether a record goes for its runs; cuts it where that is asked for."""
        merged = merge((run.begin, run.end) for run in runs)
        share = sum(end - begin for begin, end in merged) / len(units.hashes)
        spans = tuple((int(units.begins[begin]), int(units.ends[end - 1])) for begin, end in merged)
        lengths = Counter[int]()
        for run in runs:
            lengths[run.holder] += run.end - run.begin
        holder = min(lengths, key=lambda holder: (-lengths[holder], holder))
        repeat = Repeat(int(self._members[number]), int(self._members[holder]), share, spans)
        goes = share >= self._passages.max_share
        if self._passages.action == "cut":
            goes = not self._cut(repeat) and goes
        if goes:
            self.repeats.append(repeat)
        elif self._passages.action == "drop":
            self.shares[repeat.record] = share
        return goes

    def _cut(self, repeat: Repeat) -> bool:
        """Cut the sentences that stand in the runs; False when too little would be left, and nothing was done."""
        record = self._table.read(repeat.record)
        rest = cut_sentences(record.output, repeat.spans)
        if count_words(rest) < self._spec.lengths.min_output_words:
            return False
        if rest == record.output:
            return True
        id = record_id(record.instruction, record.input, rest, record.system, record.history, record.rejected)
        row = LedgerRow(
            record=record.id,
            source=record.source,
            locator=record.locator,
            action="edited",
            rule="repeated_passage",
            reason="Sentences were cut out that stand in other records.",
            score=round(repeat.share, 4),
            winner=id,
            field="output",
            spans=repeat.spans,
            characters=count_letters(record.output) - count_letters(rest),
        )
        content = known_by(record.instruction, record.input, rest, record.rejected)
        changed = record.model_copy(update={"output": rest, "id": id})
        self._table.replace(repeat.record, changed, content, self._spec.near_duplicates or NearDuplicates())
        self.edited.append((repeat.record, row))
        return True

    def _units(self, number: int) -> Units:
        return read_units([_answer(self._line(int(self._members[number])))])


def cut_sentences(text: str, spans: tuple[Span, ...]) -> str:
    """The text without the sentences (or lines) whose letters all stand in one of the spans."""
    kept, begin = [], 0
    for end in (match.end() for match in _SENTENCE_END.finditer(text)):
        letters = _LETTERS.search(text, begin, end)
        if not letters or not any(first <= letters.start() and letters.end() <= last for first, last in spans):
            kept.append(text[begin:end])
        begin = end
    return "".join(kept).strip()


def _read(table: RecordTable, members: NDArray[np.int64]) -> Iterator[tuple[int, Units]]:
    """The units of the members' answers, some records at a time, each time with the place of the first."""
    waiting: list[str] = []
    first, characters = 0, 0
    for place, line in enumerate(table.lines(members)):
        waiting.append(_answer(line))
        characters += len(waiting[-1])
        if characters >= _CHARACTERS_AT_ONCE:
            yield first, read_units(waiting)
            waiting, first, characters = [], place + 1, 0
    if waiting:
        yield first, read_units(waiting)


def _answer(line: bytes) -> str:
    return str(json.loads(line)["output"])
