"""Searches all splits for what they have in common, without a look at the groups that they were made from.

Similar pairs are searched for when splits are made, since a pair that crosses is reason to make them anew. That last search is the proof, and it is
checked to be one of the splits that are written.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.crossing import crossing_pairs
from adapt.dataset.dedup.near import Measure
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.dataset.report import Leakage
from adapt.dataset.split import SPLITS
from adapt.spec.dataset import NearDuplicates

FILE = "leakage.json"
Numbers = NDArray[np.int64]


class Crossing(NamedTuple):
    """What an exhaustive search found among records that stand on several sides."""

    sides: Numbers
    """Side of each record by its number; -1 for those that were not searched."""
    pairs: Numbers
    """Numbers of the similar records of different sides, each pair once, shape (pairs, 2)."""


class Searched(NamedTuple):
    """Records that are searched; all arrays but `crossing` have one value (row) for each."""

    crossing: Crossing
    """The search for similar ones. Sides are splits, or what was not compared elsewhere."""
    members: Numbers
    """Numbers of the records."""
    splits: Numbers
    """Split of each, by its place in SPLITS."""
    documents: Numbers
    questions: NDArray[np.uint64]
    """Keys of the questions, shape (records, 2); zeros where nothing is asked."""
    inputs: NDArray[np.uint64]
    """Keys of the materials that come with a question, as `questions`."""
    groups: Numbers | None = None
    """What `fields.group` names, when splits go by it; -1 for nothing."""


def search_sides(shingles: ShingleFile, members: Numbers, sides: Numbers, threshold: float, confirm: Measure | None = None) -> Crossing:
    """All pairs of the records `members` that reach the threshold, by `confirm` too where it is given, and stand on different sides.

    `sides` has one for each member.
    """
    by_number = np.full(len(shingles.sizes()), -1, dtype=np.int64)
    by_number[members] = sides
    found = []
    for left, right in crossing_pairs(shingles, members, sides, threshold):
        both = slice(None) if confirm is None else confirm(left, right) >= threshold
        found.append(np.stack([left[both], right[both]], axis=1))
    return Crossing(by_number, np.unique(np.sort(np.concatenate([np.zeros((0, 2), dtype=np.int64), *found]), axis=1), axis=0))


def measure_leakage(searched: Sequence[Searched], near: NearDuplicates, *, inputs_kept: bool) -> Leakage:
    """What crosses between splits, by exhaustive search. Raises AssertionError when anything does: the split is then wrong.

    The first of `searched` holds the records of all splits; others add copies to the training split. `inputs_kept` says that no material may cross.
    """
    records, *added = searched
    if not np.array_equal(records.crossing.sides[records.members], records.splits):
        raise AssertionError("records are in other splits than those that were searched")
    compared = {name: int((records.splits == number).sum()) for number, name in enumerate(SPLITS)}
    for copies in added:
        compared["train"] += int((copies.splits == SPLITS.index("train")).sum())
    leakage = Leakage(
        threshold=near.threshold,
        shingle_words=near.shingle_words,
        shingle_characters=near.shingle_characters,
        compared=compared,
        near_duplicate_pairs=sum(int(np.isin(part.crossing.pairs, part.members).all(axis=1).sum()) for part in searched),
        documents=sum(_in_several(part.documents[:, None], part.splits) for part in searched),
        questions=sum(_count_keys(part.questions, part.splits) for part in searched),
        inputs=_count_keys(records.inputs, records.splits),
        inputs_kept=inputs_kept,
        groups=None if records.groups is None else _in_several(records.groups[records.groups >= 0][:, None], records.splits[records.groups >= 0]),
    )
    if leakage.total:
        raise AssertionError(f"the splits share {leakage}")
    return leakage


def _count_keys(keys: NDArray[np.uint64], splits: Numbers) -> int:
    """How many distinct keys, zeros left out, occur in more than one split."""
    known = keys.any(axis=1)
    return _in_several(keys[known], splits[known])


def _in_several(keys: NDArray[np.generic], splits: Numbers) -> int:
    """How many distinct keys (rows) occur in more than one split."""
    if not len(keys):
        return 0
    order = np.lexsort((splits, *keys.T))
    keys, splits = keys[order], splits[order]
    same = (keys[1:] == keys[:-1]).all(axis=1)
    crosses = np.append(False, same & (splits[1:] != splits[:-1]))
    return len(np.unique(np.cumsum(np.append(True, ~same))[crosses]))
