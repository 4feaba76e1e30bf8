"""Drops records that hold text of evaluation sets: of the declared ones, and of the data set's own test split."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.decontaminate import EvaluationTexts, Hit, find_contaminated
from adapt.dataset.table import RecordTable
from adapt.records import AlpacaRecord, LedgerRow
from adapt.spec.dataset import Decontamination

Numbers = NDArray[np.int64]
_SHARE_OF_COMMON = 5
_COMMON_IN_TEST, _COMMON_IN_DECLARED = (1, 10), (10, 100)
"""Least and most texts in which an n-gram may stand before it counts as boilerplate. Among records 10 as in GPT-3 (Brown et al. 2020), fewer in small
splits; a declared set may bring one passage with every question on it."""


def find_declared(table: RecordTable, kept: Numbers, root: Path, spec: Decontamination) -> list[Hit]:
    """Records among `kept` that hold text of the declared sets, whose paths are relative to `root`."""
    texts = EvaluationTexts.read(root, spec.against)
    return list(find_contaminated(_texts(table, kept), texts, spec, _common(len(texts.texts), _COMMON_IN_DECLARED)))


def find_quotes(table: RecordTable, test: Numbers, others: Numbers, spec: Decontamination) -> list[Hit]:
    """Those of `others` that hold text of the test records. A test record is one text: an answer such as "Yes." alone says nothing."""
    texts = EvaluationTexts.of((table.id(number), text) for number, text in _texts(table, test))
    return list(find_contaminated(_texts(table, others), texts, spec, _common(len(texts.texts), _COMMON_IN_TEST)))


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


def _texts(table: RecordTable, numbers: Numbers) -> Iterator[tuple[int, str]]:
    """Number and text of records: all that is trained on."""
    for number in numbers.tolist():
        found = json.loads(table.line(number))
        turns = [text for turn in found["history"] for text in turn]
        yield number, "\n".join(text for text in (*turns, found["instruction"], found["input"], found["output"], found["rejected"]) if text)
