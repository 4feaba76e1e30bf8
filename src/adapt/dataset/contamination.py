"""Drops records that hold text of evaluation sets: of the declared ones, and of the data set's own test split.

A record of the test split is quoted by what is its own: text that many records have is boilerplate, and a record that never names what the test
record asks about quotes the general part of its answer ("each child has a risk of one in two"), which gives nothing away.

Questions and answers are judged. Reference text that a question brings with it, such as a statute, a passage or a table, is neither searched nor
searched for, unless the spec asks for it: two questions on one statute are two questions.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.decontaminate import EvaluationTexts, Hit, find_contaminated
from adapt.dataset.shared_input import find_references
from adapt.dataset.table import RecordTable
from adapt.records import AlpacaRecord, LedgerRow
from adapt.spec.dataset import Decontamination
from adapt.text.words import without_unspaced

Numbers = NDArray[np.int64]
_WORD = re.compile(r"[^\W_]+")
_STEM = 6
_RARE = 100
"""A word is rare that stands in at most one of so many questions."""
_SHARE_OF_COMMON = 5
_COMMON_IN_TEST, _COMMON_IN_RECORDS, _COMMON_IN_DECLARED = (1, 10), (5, 10), (10, 100)
"""Least and most texts in which an n-gram may stand before it counts as boilerplate. Among records 10 as in GPT-3 (Brown et al. 2020), fewer in small
splits, where a leak itself makes two; a declared set may bring one passage with every question on it."""


class Contaminated(NamedTuple):
    """What a search for evaluation texts found."""

    hits: list[Hit]
    """Records that hold enough of one in what they ask and answer."""
    references: int
    """Records whose reference text was not searched."""
    unsearched: int
    """Evaluation texts that were not searched for, as they are reference text beside a question; in the test split, records with such text."""


def find_declared(table: RecordTable, kept: Numbers, root: Path, spec: Decontamination) -> Contaminated:
    """Records among `kept` that hold text of the declared sets, whose paths are relative to `root`."""
    texts = EvaluationTexts.read(root, spec.against, references=spec.reference_text)
    references = _references(table, kept, spec)
    hits = list(find_contaminated(_texts(table, kept, references), texts, spec, _common(len(texts.texts), _COMMON_IN_DECLARED)))
    return Contaminated(hits, int(references[kept].sum()), texts.left_out)


def find_quotes(table: RecordTable, test: Numbers, others: Numbers, spec: Decontamination) -> Contaminated:
    """Those of `others` that hold text of the test records. A test record is one text: an answer such as "Yes." alone says nothing."""
    references = _references(table, np.concatenate([test, others]), spec)
    texts = EvaluationTexts.of((table.id(number), text) for number, text in _texts(table, test, references))
    widespread = _common(len(others), _COMMON_IN_RECORDS)
    found = find_contaminated(_texts(table, others, references), texts, spec, _common(len(texts.texts), _COMMON_IN_TEST), widespread)
    topics = _Topics(table, test)
    hits = [hit for hit in found if topics.are_named(hit.name, table.line(hit.record))]
    return Contaminated(hits, int(references[others].sum()), int(references[test].sum()))


def ledger_row(hit: Hit, record: AlpacaRecord, rule: str, threshold: float) -> LedgerRow:
    """The row of a record that goes."""
    return LedgerRow(
        record=record.id,
        source=record.source,
        locator=record.locator,
        action="dropped",
        rule=rule,
        reason=f"Holds {hit.share:.0%} of an evaluation text.",
        score=round(hit.share, 4),
        threshold=threshold,
        winner=hit.name,
        spans=hit.spans,
    )


class _Topics:
    """What each test record is about: the words that its question and its answer share and that few questions of the test split have."""

    def __init__(self, table: RecordTable, test: Numbers) -> None:
        self._table = table
        self._numbers = {table.id(number): number for number in test.tolist()}
        counts = Counter(word for number in test.tolist() for word in _words(json.loads(table.line(number))["instruction"]))
        most = max(1, len(test) // _RARE)
        self._common = {word for word, count in counts.items() if count > most}

    def are_named(self, test: str, line: bytes) -> bool:
        """Whether a record has most of the words of the test record `test`, or that has none; scripts without spaces have no words to go by."""
        record = json.loads(self._table.line(self._numbers[test]))
        if without_unspaced(record["instruction"])[1]:
            return True
        topic = (_words(record["instruction"]) & _words(record["output"])) - self._common
        return not topic or 2 * len(topic & _words("\n".join(_own_texts(json.loads(line))))) > len(topic)


def _words(text: str) -> set[str]:
    """The words of a text by their first letters, so that endings do not count."""
    return {word[:_STEM] for word in _WORD.findall(text.casefold())}


def _own_texts(record: dict[str, Any]) -> list[str]:
    """What is asked and answered, turns before it included."""
    return [*(text for turn in record["history"] for text in turn), record["instruction"], record["output"], record["rejected"]]


def _common(texts: int, bounds: tuple[int, int]) -> int:
    """In how many of so many texts an n-gram may stand: a fifth of them, within the bounds."""
    return min(max(texts // _SHARE_OF_COMMON, bounds[0]), bounds[1])


def _references(table: RecordTable, members: Numbers, spec: Decontamination) -> NDArray[np.bool_]:
    """Whether the input of each record of the table is reference text that is left out; looked for among `members`."""
    references = np.zeros(len(table), dtype=bool)
    if not spec.reference_text:
        references[members] = find_references(table.inputs[members], table.instructions[members])
    return references


def _texts(table: RecordTable, numbers: Numbers, references: NDArray[np.bool_]) -> Iterator[tuple[int, str]]:
    """Number and text of records: all that is trained on but reference text."""
    for number in numbers.tolist():
        found = json.loads(table.line(number))
        *turns, asked, answer, worse = _own_texts(found)
        given = "" if references[number] else found["input"]
        yield number, "\n".join(text for text in (*turns, asked, given, answer, worse) if text)
