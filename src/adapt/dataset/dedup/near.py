"""Near-duplicates: records similar to one that is kept, each candidate measured by true Jaccard similarity.

Records are judged in an order of preference, and one is dropped only when it is itself similar to a record already kept.
So a chain of small changes cannot pull unlike records together, and every dropped record has a winner that resembles it.
Judged are blocks of records: against what earlier blocks kept, then among themselves. Whatever the blocks, the outcome is that of one record
after the other; a family of thousands of copies costs one comparison for each, since all but the first meet the first. Of many candidates
only those are measured that their bitmaps allow to be the most similar.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.bitmaps import Bitmaps
from adapt.dataset.dedup.buckets import Buckets, Crossing, KeptIndex, distinct_pairs, shared_buckets
from adapt.dataset.dedup.prefixes import SLACK
from adapt.dataset.dedup.shingle_file import ShingleFile

Measure = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
"""Similarities of pairs of records, given as numbers of the ones and of the others."""
TellApart = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.bool_]]
"""Whether something tells the records of each pair apart, however similar they are."""
_BLOCK = 1024
_MEASURED_FOR_NOTES = 8
_PICTURE_BITS = 11
"""With 2^10 bits three times as many pairs must be measured, with 2^12 half as many. A picture takes 256 bytes, of records in a bucket alone."""


class Drop(NamedTuple):
    """A record that goes, the kept one that it resembles most, and how much."""

    record: int
    winner: int
    similarity: float


class _Pairs(NamedTuple):
    """Pairs of places that reach the threshold: a place, an earlier one, and how similar they are."""

    later: NDArray[np.int64]
    earlier: NDArray[np.int64]
    similarity: NDArray[np.float64]


def find_near_duplicates(
    shingles: ShingleFile,
    keys: Iterable[NDArray[np.uint32] | Crossing],
    members: NDArray[np.int64],
    threshold: float,
    confirm: Measure | None = None,
    measured: NDArray[np.float64] | None = None,
    tell_apart: TellApart | None = None,
) -> Iterator[Drop]:
    """The records among `members` (best first) that resemble a kept one; of equally similar winners, the one that stands first.

    `keys` gives, band by band, a key for each record. Two records that share the key of a band are candidates; texts without a shingle
    never are. `confirm` measures pairs in another way, in which they must reach the threshold too; the lower measure counts. It is asked first.
    `measured` takes, by number of the record, the greatest similarity to a record kept before it, of those that were measured.
    `tell_apart` is asked of pairs that could reach the threshold; those it tells apart are no candidates.
    """
    members = members[shingles.sizes()[members] > 0]
    buckets = shared_buckets(keys, members)
    shared = np.flatnonzero(np.diff(buckets.starts))
    judge = _Judge(shingles, members, buckets, shared, threshold, confirm, measured, tell_apart)
    for begin in range(0, len(shared), _BLOCK):
        yield from judge.judge(shared[begin : begin + _BLOCK])


class _Judge:
    """Judges block after block."""

    def __init__(
        self,
        shingles: ShingleFile,
        members: NDArray[np.int64],
        buckets: Buckets,
        shared: NDArray[np.int64],
        threshold: float,
        confirm: Measure | None,
        measured: NDArray[np.float64] | None,
        tell_apart: TellApart | None,
    ) -> None:
        self._shingles, self._members, self._buckets = shingles, members, buckets
        self._threshold, self._confirm, self._measured = threshold, confirm, measured
        self._tell_apart = tell_apart
        self._index = KeptIndex(buckets.numbers, buckets.total)
        self._bitmaps = Bitmaps(shingles, members[shared], bits=_PICTURE_BITS)
        self._pictures = np.zeros(len(members), dtype=np.int64)
        self._pictures[shared] = np.arange(len(shared))

    def judge(self, block: NDArray[np.int64]) -> list[Drop]:
        """Judge the places of a block, which ascend from block to block."""
        note = self._measured is not None
        before = [self._most_similar(*pairs, note=note) for pairs in self._index.candidates(*self._entries(block))]
        gone = np.isin(block, np.concatenate([np.zeros(0, dtype=np.int64), *(pairs.later for pairs in before)]))
        kept = self._keep_among(block[~gone])
        self._index.add(*self._entries(kept))
        dropped = block[~np.isin(block, kept)]
        if note:
            for pairs in self._candidates(kept, kept):
                self._most_similar(*pairs, note=True)
        return self._drops([*before, *(self._most_similar(*pairs) for pairs in self._candidates(dropped, kept))])

    def _keep_among(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places that stay when only these are judged."""
        kept = [np.zeros(0, dtype=np.int64)]
        while len(places):
            owner, number = self._entries(places)
            order = np.argsort(number, kind="stable")
            opens = np.append(True, number[order][1:] != number[order][:-1])
            leader = np.empty(len(owner), dtype=np.int64)
            leader[order] = owner[order][np.flatnonzero(opens)[np.cumsum(opens) - 1]]
            follows = np.isin(places, owner[leader != owner])
            kept.append(places[~follows])  # nothing before them is a candidate
            led = np.isin(leader, places[~follows]) & (leader != owner)
            gone, _ = self._similar(*distinct_pairs(owner[led], leader[led]))
            left = places[follows & ~np.isin(places, np.array(gone, dtype=np.int64))]
            if len(left) * 2 > len(places):  # few are settled so: look at all pairs
                kept.append(self._keep_in_turn(left))
                break
            places = left
        return np.sort(np.concatenate(kept))

    def _keep_in_turn(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same by all pairs."""
        earlier_of: dict[int, list[int]] = {}
        for pairs in self._candidates(places, places):
            for later, earlier in zip(*self._similar(*pairs), strict=True):
                earlier_of.setdefault(later, []).append(earlier)
        gone: set[int] = set()
        for place in places.tolist():
            if any(earlier not in gone for earlier in earlier_of.get(place, ())):
                gone.add(place)
        return places[[place not in gone for place in places.tolist()]]

    def _candidates(self, places: NDArray[np.int64], others: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """The candidates that `places` make with those of `others` that stand before them."""
        owner, number = self._entries(others)
        used, compact = np.unique(np.concatenate([number, self._entries(places)[1]]), return_inverse=True)
        index = KeptIndex(compact[: len(number)], len(used))
        index.add(owner, compact[: len(number)])
        for later, earlier in index.candidates(self._entries(places)[0], compact[len(number) :]):
            before = earlier < later
            yield later[before], earlier[before]

    def _similar(self, later: NDArray[np.int64], earlier: NDArray[np.int64]) -> tuple[list[int], list[int]]:
        """Those of the pairs that reach the threshold."""
        later, earlier, at_most = self._bound(later, earlier)
        able = at_most >= self._threshold
        later, earlier = later[able], earlier[able]
        reached = self._measure(later, earlier) >= self._threshold
        return later[reached].tolist(), earlier[reached].tolist()

    def _most_similar(self, later: NDArray[np.int64], earlier: NDArray[np.int64], *, note: bool = False) -> _Pairs:
        """Pairs that reach the threshold, for each later place the most similar among them; `note` keeps the greatest of all, that or not. The
        pairs are sorted by their later places.

        Measured are the pairs of greatest bound first, one, two, four ... of each place, until no bound is left above what was found. Of those below
        the threshold, which are noted only, a few are enough: in a family of unlike records of one template all are as similar.
        """
        later, earlier, at_most = self._bound(later, earlier)
        if not note:
            able = at_most >= self._threshold
            later, earlier, at_most = later[able], earlier[able], at_most[able]
        opens = np.append(True, later[1:] != later[:-1])[: len(later)]
        owner = np.cumsum(opens) - 1
        best, similarity = np.full(int(opens.sum()), -1.0), np.full(len(later), -1.0)
        waiting, width = np.arange(len(later)), 1
        while len(waiting):
            now = waiting[_leads(at_most[waiting], owner[waiting], width)]
            similarity[now] = self._measure(later[now], earlier[now])
            np.maximum.at(best, owner[now], similarity[now])
            waiting = waiting[(similarity[waiting] < 0) & (at_most[waiting] >= best[owner[waiting]])]
            width *= 2
            if width > _MEASURED_FOR_NOTES:
                waiting = waiting[at_most[waiting] >= self._threshold]
        if note and self._measured is not None:
            records = self._members[later[opens]]
            self._measured[records] = np.fmax(self._measured[records], best)
        reached = similarity >= self._threshold
        return _Pairs(later[reached], earlier[reached], similarity[reached])

    def _bound(self, later: NDArray[np.int64], earlier: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """The pairs whose sizes, and the other measure, allow the threshold, with the most that their bitmaps allow."""
        sizes = self._shingles.sizes()[np.stack([self._members[later], self._members[earlier]])]
        able = sizes.min(axis=0) >= self._threshold * sizes.max(axis=0) - SLACK
        later, earlier = later[able], earlier[able]
        if self._confirm is not None:
            able = self._confirm(self._members[later], self._members[earlier]) >= self._threshold
            later, earlier = later[able], earlier[able]
        at_most = self._bitmaps.at_most(self._pictures[later], self._pictures[earlier])
        if self._tell_apart is not None:
            together = np.ones(len(later), dtype=bool)
            asked = np.flatnonzero(at_most >= self._threshold)
            together[asked] = ~self._tell_apart(self._members[later[asked]], self._members[earlier[asked]])
            later, earlier, at_most = later[together], earlier[together], at_most[together]
        return later, earlier, at_most

    def _measure(self, later: NDArray[np.int64], earlier: NDArray[np.int64]) -> NDArray[np.float64]:
        """Similarities of pairs; of two measures the lower."""
        one, other = self._members[later], self._members[earlier]
        similarity = self._shingles.similarity(one, other)
        return similarity if self._confirm is None else np.minimum(similarity, self._confirm(one, other))

    def _drops(self, found: list[_Pairs]) -> list[Drop]:
        """A drop for each later place, with its best earlier one."""
        if not found:
            return []
        later, earlier, similarity = (np.concatenate(column) for column in zip(*found, strict=True))
        order = np.lexsort((earlier, -similarity, later))
        order = order[np.append(True, later[order][1:] != later[order][:-1])[: len(order)]]
        return [Drop(int(self._members[later[at]]), int(self._members[earlier[at]]), float(similarity[at])) for at in order.tolist()]

    def _entries(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The buckets of some places, as two arrays: the place and the bucket of each."""
        starts, ends = self._buckets.starts[places], self._buckets.starts[places + 1]
        counts = ends - starts
        at = np.arange(int(counts.sum())) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
        return np.repeat(places, counts), self._buckets.numbers[at].astype(np.int64)


def _leads(bounds: NDArray[np.float64], owners: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """Which are among the `width` greatest bounds of their owner , of equal ones at least one; owners ascend."""
    opens = np.flatnonzero(np.append(True, owners[1:] != owners[:-1]))
    counts = np.diff(np.append(opens, len(owners)))
    if width == 1:  # no need to sort what is most of all there is
        return np.asarray(bounds == np.repeat(np.maximum.reduceat(bounds, opens), counts))
    order = np.lexsort((-bounds, owners))
    leads = np.zeros(len(owners), dtype=bool)
    leads[order] = np.arange(len(owners)) - np.repeat(opens, counts) < width
    return leads
