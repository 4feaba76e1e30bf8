"""Searches all splits for what they have in common, without a look at the groups that they were made from."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.overlap import similar_pairs
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.dataset.report import Leakage
from adapt.dataset.split import SPLITS
from adapt.spec.dataset import NearDuplicates

FILE = "leakage.json"
Numbers = NDArray[np.int64]


class Searched(NamedTuple):
    """Records that are searched; all arrays but `shingles` have one value (row) for each."""

    shingles: ShingleFile
    members: Numbers
    """Numbers of the records in `shingles`."""
    splits: Numbers
    """Split of each, by its place in SPLITS."""
    sides: Numbers
    """Pairs of one side are not compared: records of one split, or those that were compared elsewhere."""
    documents: Numbers
    questions: NDArray[np.uint64]
    """Keys of the questions, shape (records, 2); zeros where nothing is asked."""
    groups: Numbers | None = None
    """What `fields.group` names, when splits go by it; -1 for nothing."""


def measure_leakage(searched: Sequence[Searched], near: NearDuplicates) -> Leakage:
    """What crosses between splits, by exhaustive search. Raises AssertionError when anything does: the split is then wrong.

    The first of `searched` holds the records of all splits; others add copies to the training split.
    """
    records, *added = searched
    compared = {name: int((records.splits == number).sum()) for number, name in enumerate(SPLITS)}
    for copies in added:
        compared["train"] += int((copies.splits == SPLITS.index("train")).sum())
    leakage = Leakage(
        threshold=near.threshold,
        shingle_words=near.shingle_words,
        shingle_characters=near.shingle_characters,
        compared=compared,
        near_duplicate_pairs=sum(_similar(part, near.threshold) for part in searched),
        documents=sum(_in_several(part.documents[:, None], part.splits) for part in searched),
        questions=sum(_in_several(part.questions[part.questions.any(axis=1)], part.splits[part.questions.any(axis=1)]) for part in searched),
        groups=None if records.groups is None else _in_several(records.groups[records.groups >= 0][:, None], records.splits[records.groups >= 0]),
    )
    if leakage.total:
        raise AssertionError(f"the splits share {leakage}")
    return leakage


def _similar(searched: Searched, threshold: float) -> int:
    """How many pairs of different sides reach the threshold."""
    labels = np.zeros(int(searched.members.max(initial=-1)) + 1, dtype=np.int64)
    labels[searched.members] = searched.sides
    found = similar_pairs(searched.shingles, searched.members, threshold, labels)
    return len({(min(pair), max(pair)) for pairs in found for pair in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)})


def _in_several(keys: NDArray[np.generic], splits: Numbers) -> int:
    """How many distinct keys (rows) occur in more than one split."""
    if not len(keys):
        return 0
    order = np.lexsort((splits, *keys.T))
    keys, splits = keys[order], splits[order]
    same = (keys[1:] == keys[:-1]).all(axis=1)
    crosses = np.append(False, same & (splits[1:] != splits[:-1]))
    return len(np.unique(np.cumsum(np.append(True, ~same))[crosses]))
