"""Groups of records that a split must not divide: connected components of records that share a document, a question or most of their text.

Only what follows from the records' content is used, so that groups do not depend on the order in which records were read.
"""

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.near import Measure
from adapt.dataset.dedup.overlap import Pairs, similar_pairs
from adapt.dataset.dedup.shingle_file import ShingleFile


class Groups:
    """Disjoint sets of records; `labels` holds the set of each, as the number of one of its members."""

    def __init__(self, count: int) -> None:
        self.labels: NDArray[np.int64] = np.arange(count, dtype=np.int64)

    def join_equal(self, members: NDArray[np.int64], keys: NDArray[np.uint64]) -> None:
        """Put members with equal keys together; `keys` has shape (records, columns)."""
        own = keys[members]
        order = np.lexsort(tuple(own.T))
        ordered, members = own[order], members[order]
        same = (ordered[1:] == ordered[:-1]).all(axis=1)
        self.join(Pairs(members[:-1][same], members[1:][same]))

    def join_similar(self, members: NDArray[np.int64], shingles: ShingleFile, threshold: float, confirm: Measure | None = None) -> None:
        """Put members of at least that similarity together, by `confirm` too where it is given."""
        for left, right in similar_pairs(shingles, members, threshold, self.labels):
            both = slice(None) if confirm is None else confirm(left, right) >= threshold
            self.join(Pairs(left[both], right[both]))

    def join(self, pairs: Pairs) -> None:
        """Put both records of each pair together."""
        if not len(pairs.left):
            return
        roots, edges = np.unique(self.labels[np.stack([pairs.left, pairs.right])], return_inverse=True)
        parent = list(range(len(roots)))
        for left, right in zip(*edges.reshape(2, -1).tolist(), strict=True):
            left_root, right_root = _root(parent, left), _root(parent, right)
            parent[max(left_root, right_root)] = min(left_root, right_root)
        target = np.arange(len(self.labels), dtype=np.int64)
        target[roots] = roots[[_root(parent, place) for place in range(len(roots))]]
        self.labels[:] = target[self.labels]


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place


def group_records(members: NDArray[np.int64], documents: NDArray[np.int64], questions: NDArray[np.uint64]) -> Groups:
    """Groups of the records `members`: same document or same question key (zeros are none)."""
    groups = Groups(len(documents))
    groups.join_equal(members, documents.astype(np.uint64)[:, None])
    groups.join_equal(members[questions[members].any(axis=1)], questions)
    return groups
