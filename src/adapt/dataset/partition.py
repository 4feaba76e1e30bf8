"""The records of a table divided among the splits, group by group."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.groups import group_records
from adapt.dataset.report import SplitCounts
from adapt.dataset.split import SPLITS, Group, SplitName, assign_splits
from adapt.dataset.table import RecordTable
from adapt.records import Language
from adapt.spec.dataset import Split


@dataclass(frozen=True)
class Partition:
    """Every kept record with its group and its split."""

    members: NDArray[np.int64]
    """Numbers of the kept records, by ascending id."""
    groups: NDArray[np.int64]
    """Group of each member."""
    splits: NDArray[np.int64]
    """Split of each member, by its place in SPLITS."""
    documents: NDArray[np.int64]
    """Document of each member."""
    tokens: NDArray[np.int64]
    """Tokens of each member."""

    def records(self, split: SplitName) -> list[int]:
        """Numbers of a split's records, by ascending id."""
        return [int(number) for number in self.members[self.splits == SPLITS.index(split)]]

    def counts(self, split: SplitName) -> SplitCounts:
        """What a split holds."""
        inside = self.splits == SPLITS.index(split)
        return SplitCounts(
            records=int(inside.sum()),
            tokens=int(self.tokens[inside].sum()),
            documents=len(np.unique(self.documents[inside])),
            groups=len(np.unique(self.groups[inside])),
        )

    def shares(self, names: Sequence[str]) -> dict[str, dict[str, int]]:
        """Records of every split by name, where `names` has one for each record of the table; names ascending."""
        counts: dict[str, dict[str, int]] = {name: dict.fromkeys(SPLITS, 0) for name in sorted({names[number] for number in self.members})}
        for number, split in zip(self.members.tolist(), self.splits.tolist(), strict=True):
            counts[names[number]][SPLITS[split]] += 1
        return counts


def partition(table: RecordTable, kept: NDArray[np.int64], threshold: float, shares: Split, seed: int) -> Partition:
    """Divide the records `kept`; those of similarity `threshold` or more stay together. Raises InputError for fewer than three groups."""
    members = np.array(sorted(kept.tolist(), key=lambda number: table.ids[number]), dtype=np.int64)
    labels = group_records(members, table.documents, table.questions, table.shingles, threshold).labels[members]
    _, first, groups = np.unique(labels, return_index=True, return_inverse=True)
    sizes = np.bincount(groups, minlength=len(first))
    chinese = np.bincount(groups, weights=[table.languages[number] == "zh" for number in members], minlength=len(first))
    described = [
        Group(table.ids[members[start]], int(size), _language(int(count), int(size)))
        for start, size, count in zip(first, sizes, chinese, strict=True)
    ]
    assigned = assign_splits(described, shares, seed)
    splits = np.array([SPLITS.index(name) for name in assigned], dtype=np.int64)[groups]
    return Partition(members, groups, splits, table.documents[members], table.tokens[members])


def _language(chinese: int, size: int) -> Language:
    return "zh" if chinese * 2 > size else "en"
