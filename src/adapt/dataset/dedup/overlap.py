"""All pairs of records at or above a similarity, found without chance: what a split must keep together.

Candidates share a prefix shingle that leads in one of them (see `prefixes`), have enough shingles left after it (positional filtering, Xiao et al.
2008), and bitmaps that allow the similarity.
In a family of like records every pair is a candidate. So each shingle's records are first compared with one of them alone: where the reader
of the pairs joins what is alike, as for groups, the rest of the family has one label by then, and is not looked at again.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.buckets import distinct_pairs
from adapt.dataset.dedup.prefixes import SLACK, Entries, PrefixIndex
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
    with PrefixIndex(shingles, members, threshold) as index:
        search = _Search(shingles, index, labels)
        for piece in index.pieces():
            yield from search.search(piece)


class _Piece(NamedTuple):
    """Entries of an index with what decides about their pairs, so that it is looked up for entries and not for pairs."""

    owners: NDArray[np.int64]
    leading: NDArray[np.bool_]
    asks: NDArray[np.float64]
    """What the owner's size asks two sets to share, t / (1 + t) of it: the sizes of both add up to what they must share."""
    spares: NDArray[np.float64]
    """How much of what may still be shared from the entry's place on is left for the other set to ask."""


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
        sizes = self._sizes[entries.owners]
        asks = np.asarray(self._threshold / (1 + self._threshold) * sizes, dtype=np.float64)
        piece = _Piece(entries.owners, entries.leading, asks, np.asarray(sizes - np.floor(entries.places * sizes) - asks + SLACK, dtype=np.float64))
        twos = opens[closes - opens == 2]  # most shingles that are shared at all: nothing to sort there
        twos = twos[piece.leading[twos] | piece.leading[twos + 1]]
        for begin in range(0, len(twos), _PAIRS_AT_ONCE):
            part = twos[begin : begin + _PAIRS_AT_ONCE]
            pairs = self._similar(*_able(piece, part, part + 1))
            if len(pairs.left):
                yield pairs
        several = closes - opens > 2
        opens, closes = opens[several], closes[several]
        begin = 0
        while begin < len(opens):
            end = max(begin + 1, int(np.searchsorted(closes, opens[begin] + _ENTRIES_AT_ONCE, side="right")))
            yield from self._buckets(piece, opens[begin:end], closes[begin:end])
            begin = end

    def _buckets(self, piece: _Piece, opens: NDArray[np.int64], closes: NDArray[np.int64]) -> Iterator[Pairs]:
        """The similar pairs of some shingles, each given by its first entry and the one after its last: with the first of each, then all."""
        for stars in (True, False):
            at, bucket, label = self._by_label(piece, opens, closes)
            if not len(at):
                return
            first = np.append(True, bucket[1:] != bucket[:-1])
            ends = np.append(np.flatnonzero(first)[1:], len(at))[np.cumsum(first) - 1]
            run = np.flatnonzero(np.append((label[1:] != label[:-1]) | first[1:], True)) + 1  # a run of one label ends
            after = np.repeat(run, np.diff(run, prepend=0))
            leading = piece.leading[at]
            left = first if stars else np.ones(len(at), dtype=bool)
            yield from self._pairs(piece, at[left & leading], at, after[left & leading], ends[left & leading])
            before = np.append(0, np.cumsum(leading))  # what does not lead makes pairs with what does
            left &= ~leading
            yield from self._pairs(piece, at[left], at[leading], before[after[left]], before[ends[left]])

    def _by_label(
        self, piece: _Piece, opens: NDArray[np.int64], closes: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The entries of the shingles that records of several labels have: the entry, its shingle and its label, by shingle and label."""
        counts = closes - opens
        at = np.arange(int(counts.sum())) + np.repeat(opens - (np.cumsum(counts) - counts), counts)
        label = self._labels[self._members[piece.owners[at]]]
        starts = np.cumsum(counts) - counts
        mixed = np.minimum.reduceat(label, starts) != np.maximum.reduceat(label, starts)
        mixed &= np.logical_or.reduceat(piece.leading[at], starts)
        chosen = np.repeat(mixed, counts)
        at, label, bucket = at[chosen], label[chosen], np.repeat(np.flatnonzero(mixed), counts[mixed])
        order = np.lexsort((label, bucket))
        return at[order], bucket, label[order]

    def _pairs(
        self, piece: _Piece, left: NDArray[np.int64], right: NDArray[np.int64], begins: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> Iterator[Pairs]:
        """The similar ones of the pairs of each entry of `left` with those from place `begins` to `ends` of `right`."""
        counts = ends - begins
        total = np.cumsum(counts)
        begin = 0
        while begin < len(left):
            before = int(total[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(total, before + _PAIRS_AT_ONCE, side="right")))
            count = counts[begin:end]
            place = np.arange(int(count.sum())) + np.repeat(begins[begin:end] - (np.cumsum(count) - count), count)
            pairs = self._similar(*_able(piece, np.repeat(left[begin:end], count), right[place]))
            if len(pairs.left):
                yield pairs
            begin = end

    def _similar(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> Pairs:
        """The records of those pairs of members that reach the threshold, labels unlike."""
        unlike = self._labels[self._members[left]] != self._labels[self._members[right]]
        left, right = left[unlike], right[unlike]
        able = self._bitmaps.at_most(left, right) >= self._threshold
        one, other = self._members[left[able]], self._members[right[able]]
        reached = self._shingles.similarity(one, other) >= self._threshold
        return Pairs(one[reached], other[reached])


def _able(piece: _Piece, left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct pairs of members whose sizes and places allow the similarity."""
    able = (piece.spares[left] >= piece.asks[right]) & (piece.spares[right] >= piece.asks[left])
    one, other = piece.owners[left[able]], piece.owners[right[able]]
    return distinct_pairs(np.minimum(one, other), np.maximum(one, other))
