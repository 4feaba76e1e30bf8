"""Searches all splits for what they have in common, without a look at the groups that they were made from."""

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.overlap import similar_pairs
from adapt.dataset.partition import Partition
from adapt.dataset.report import Leakage
from adapt.dataset.table import RecordTable


def measure_leakage(table: RecordTable, parts: Partition, threshold: float) -> Leakage:
    """What crosses between splits, by exhaustive search. Raises AssertionError when anything does: the split is then wrong."""
    splits = np.zeros(len(table), dtype=np.int64)
    splits[parts.members] = parts.splits
    pairs = {
        (int(left), int(right))
        for batch in similar_pairs(table.shingles, parts.members, threshold, splits)
        for left, right in zip(batch.left, batch.right, strict=True)
    }
    leakage = Leakage(
        near_duplicate_pairs=len(pairs),
        documents=_in_several(parts.documents[:, None], parts.splits),
        questions=_in_several(table.questions[parts.members], parts.splits),
    )
    if leakage.total:
        raise AssertionError(f"the splits share {leakage}")
    return leakage


def _in_several(keys: NDArray[np.generic], splits: NDArray[np.int64]) -> int:
    """How many distinct keys (rows) occur in more than one split."""
    _, key = np.unique(keys, axis=0, return_inverse=True)
    _, occurrences = np.unique(np.unique(np.stack([key.reshape(-1), splits]), axis=1)[0], return_counts=True)
    return int((occurrences > 1).sum())
