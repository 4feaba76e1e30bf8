"""Drops records that hold text of evaluation sets: of the declared ones, and of the data set's own test split.

Questions and answers are judged. Reference text that a question brings with it, such as a statute, a passage or a table, is neither searched nor
searched for, unless the spec asks for it: two questions on one statute are two questions.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.decontaminate import EvaluationTexts, Hit, find_contaminated
from adapt.dataset.shared_input import find_references
from adapt.dataset.table import RecordTable
from adapt.records import AlpacaRecord, LedgerRow
from adapt.spec.dataset import Decontamination

Numbers = NDArray[np.int64]
_SHARE_OF_COMMON = 5
_COMMON_IN_TEST, _COMMON_IN_DECLARED = (1, 10), (10, 100)
"""Least and most texts in which an n-gram may stand before it counts as boilerplate. Among records 10 as in GPT-3 (Brown et al. 2020), fewer in small
splits; a declared set may bring one passage with every question on it."""


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
    hits = list(find_contaminated(_texts(table, others, references), texts, spec, _common(len(texts.texts), _COMMON_IN_TEST)))
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
        turns = [text for turn in found["history"] for text in turn]
        given = "" if references[number] else found["input"]
        yield number, "\n".join(text for text in (*turns, found["instruction"], given, found["output"], found["rejected"]) if text)
