"""All pairs of records at or above a similarity, found without chance: the proof that a split leaks nothing.

Candidates share a prefix shingle (see `prefixes`), have enough shingles left after it (positional filtering, Xiao et al. 2008), and bitmaps
that allow the similarity.
In a family of like records every pair is a candidate. So each shingle's records are first compared with one of them alone: where the reader
of the pairs joins what is alike, as for groups, the rest of the family has one label by then, and is not looked at again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.buckets import distinct_pairs
from adapt.dataset.dedup.prefixes import SLACK, Entries, PrefixIndex, index_prefixes
from adapt.dataset.dedup.shingle_file import ShingleFile

_ENTRIES_AT_ONCE = 1 << 19
_PAIRS_AT_ONCE = 1 << 20


class Pairs(NamedTuple):
    """Pairs of records, place by place."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]


def similar_pairs(shingles: ShingleFile, members: NDArray[np.int64], threshold: float, labels: NDArray[np.int64]) -> Iterator[Pairs]:
    """The pairs among `members` whose similarity reaches the threshold and whose labels differ, in batches. A pair may come more than once.

    `labels` (one per record) may be changed between batches: pairs whose labels have become equal are no longer looked at.
    """
    index = index_prefixes(shingles, members, threshold)
    search = _Search(shingles, index, labels)
    for piece in index.pieces(np.isin(index.members, members)):
        yield from search.search(piece)


class _Search:
    """Searches the pieces of an index."""

    def __init__(self, shingles: ShingleFile, index: PrefixIndex, labels: NDArray[np.int64]) -> None:
        self._shingles, self._members, self._threshold, self._labels = shingles, index.members, index.threshold, labels
        self._sizes = shingles.sizes()[index.members]
        self._bitmaps = index.bitmaps

    def search(self, entries: Entries) -> Iterator[Pairs]:
        """The similar pairs that share a shingle of this piece."""
        closes = np.flatnonzero(np.append(entries.tokens[1:] != entries.tokens[:-1], True)[: len(entries.tokens)]) + 1
        opens = np.append(0, closes[:-1])[: len(closes)]
        twos = opens[closes - opens == 2]  # most shingles that are shared at all: nothing to sort there
        for begin in range(0, len(twos), _PAIRS_AT_ONCE):
            part = twos[begin : begin + _PAIRS_AT_ONCE]
            pairs = self._similar(*self._able(entries, part, part + 1))
            if len(pairs.left):
                yield pairs
        several = closes - opens > 2
        opens, closes = opens[several], closes[several]
        begin = 0
        while begin < len(opens):
            end = max(begin + 1, int(np.searchsorted(closes, opens[begin] + _ENTRIES_AT_ONCE, side="right")))
            yield from self._buckets(entries, opens[begin:end], closes[begin:end])
            begin = end

    def _buckets(self, entries: Entries, opens: NDArray[np.int64], closes: NDArray[np.int64]) -> Iterator[Pairs]:
        """The similar pairs of some shingles, each given by its first entry and the one after its last: with the first of each, then all."""
        for stars in (True, False):
            at, bucket, label = self._by_label(entries, opens, closes)
            if not len(at):
                return
            first = np.append(True, bucket[1:] != bucket[:-1])
            ends = np.append(np.flatnonzero(first)[1:], len(at))[np.cumsum(first) - 1]
            run = np.flatnonzero(np.append((label[1:] != label[:-1]) | first[1:], True)) + 1  # a run of one label ends
            after = np.repeat(run, np.diff(run, prepend=0))
            following = ends - after
            if stars:
                following[~first] = 0
            yield from self._pairs(entries, at, after, following)

    def _by_label(
        self, entries: Entries, opens: NDArray[np.int64], closes: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The entries of the shingles that records of several labels have: the entry, its shingle and its label, by shingle and label."""
        counts = closes - opens
        at = np.arange(int(counts.sum())) + np.repeat(opens - (np.cumsum(counts) - counts), counts)
        label = self._labels[self._members[entries.owners[at]]]
        starts = np.cumsum(counts) - counts
        mixed = np.minimum.reduceat(label, starts) != np.maximum.reduceat(label, starts)
        chosen = np.repeat(mixed, counts)
        at, label, bucket = at[chosen], label[chosen], np.repeat(np.flatnonzero(mixed), counts[mixed])
        order = np.lexsort((label, bucket))
        return at[order], bucket, label[order]

    def _pairs(self, entries: Entries, at: NDArray[np.int64], after: NDArray[np.int64], following: NDArray[np.int64]) -> Iterator[Pairs]:
        """The similar ones of the pairs of each entry with the `following` entries from place `after` on."""
        total = np.cumsum(following)
        begin = 0
        while begin < len(at):
            before = int(total[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(total, before + _PAIRS_AT_ONCE, side="right")))
            count = following[begin:end]
            left = np.repeat(at[begin:end], count)
            right = at[np.arange(len(left)) + np.repeat(after[begin:end] - (np.cumsum(count) - count), count)]
            pairs = self._similar(*self._able(entries, left, right))
            if len(pairs.left):
                yield pairs
            begin = end

    def _able(self, entries: Entries, left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Distinct pairs of members whose sizes and places allow the similarity."""
        one, other = entries.owners[left], entries.owners[right]
        first, second = self._sizes[one], self._sizes[other]
        shared_at_most = np.minimum(first - np.floor(entries.places[left] * first), second - np.floor(entries.places[right] * second))
        able = (shared_at_most * (1 + self._threshold) >= self._threshold * (first + second) - SLACK) & (
            np.minimum(first, second) >= self._threshold * np.maximum(first, second) - SLACK
        )
        one, other = one[able], other[able]
        return distinct_pairs(np.minimum(one, other), np.maximum(one, other))

    def _similar(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> Pairs:
        """The records of those pairs of members that reach the threshold, labels unlike."""
        unlike = self._labels[self._members[left]] != self._labels[self._members[right]]
        left, right = left[unlike], right[unlike]
        able = self._bitmaps.may_reach(self._threshold, left, right)
        one, other = self._members[left[able]], self._members[right[able]]
        reached = self._shingles.similarity(one, other) >= self._threshold
        return Pairs(one[reached], other[reached])
