"""Near-duplicates: records similar to one that is kept, each candidate measured by true Jaccard similarity.

Records are judged in an order of preference, and one is dropped only when it is itself similar to a record already kept.
So a chain of small changes cannot pull unlike records together, and every dropped record has a winner that resembles it.
Judged are blocks of records: against what earlier blocks kept, then among themselves. Whatever the blocks, the outcome is that of one record
after the other; a family of thousands of copies costs one comparison for each, since all but the first meet the first.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.buckets import Buckets, Crossing, KeptIndex, distinct_pairs, shared_buckets
from adapt.dataset.dedup.prefixes import SLACK
from adapt.dataset.dedup.shingle_file import ShingleFile

Measure = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]
"""Similarities of pairs of records, given as numbers of the ones and of the others."""
_BLOCK = 1024


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
) -> Iterator[Drop]:
    """The records among `members` (best first) that resemble a kept one; of equally similar winners, the one that stands first.

    `keys` gives, band by band, a key for each record. Two records that share the key of a band are candidates; texts without a shingle
    never are. `confirm` measures pairs in another way, in which they must reach the threshold too; the lower measure counts. It is asked first.
    `measured` takes, by number of the record, the greatest similarity to a record kept before it, of those that were measured.
    """
    members = members[shingles.sizes()[members] > 0]
    buckets = shared_buckets(keys, members)
    judge = _Judge(shingles, members, buckets, threshold, confirm, measured)
    shared = np.flatnonzero(np.diff(buckets.starts))
    for begin in range(0, len(shared), _BLOCK):
        yield from judge.judge(shared[begin : begin + _BLOCK])


class _Judge:
    """Judges block after block."""

    def __init__(
        self,
        shingles: ShingleFile,
        members: NDArray[np.int64],
        buckets: Buckets,
        threshold: float,
        confirm: Measure | None,
        measured: NDArray[np.float64] | None,
    ) -> None:
        self._shingles, self._members, self._buckets = shingles, members, buckets
        self._threshold, self._confirm, self._measured = threshold, confirm, measured
        self._index = KeptIndex(buckets.numbers, buckets.total)

    def judge(self, block: NDArray[np.int64]) -> list[Drop]:
        """Judge the places of a block, which ascend from block to block."""
        before = [self._similar(*pairs, note=True) for pairs in self._index.candidates(*self._entries(block))]
        gone = np.isin(block, np.concatenate([np.zeros(0, dtype=np.int64), *(pairs.later for pairs in before)]))
        kept = self._keep_among(block[~gone])
        self._index.add(*self._entries(kept))
        dropped = block[~np.isin(block, kept)]
        if self._measured is not None:
            for _ in self._against(kept, kept, note=True):
                pass
        return self._drops([*before, *self._against(dropped, kept, note=True)])

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
            gone = self._similar(*distinct_pairs(owner[led], leader[led])).later
            left = places[follows & ~np.isin(places, gone)]
            if len(left) * 2 > len(places):  # few are settled so: look at all pairs
                kept.append(self._keep_in_turn(left))
                break
            places = left
        return np.sort(np.concatenate(kept))

    def _keep_in_turn(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The same by all pairs."""
        earlier_of: dict[int, list[int]] = {}
        for pairs in self._against(places, places):
            for later, earlier in zip(pairs.later.tolist(), pairs.earlier.tolist(), strict=True):
                earlier_of.setdefault(later, []).append(earlier)
        gone: set[int] = set()
        for place in places.tolist():
            if any(earlier not in gone for earlier in earlier_of.get(place, ())):
                gone.add(place)
        return places[[place not in gone for place in places.tolist()]]

    def _against(self, places: NDArray[np.int64], others: NDArray[np.int64], *, note: bool = False) -> Iterator[_Pairs]:
        """The similar pairs of `places` with those of `others` that stand before them; `note` where `others` stay, to keep what is measured."""
        owner, number = self._entries(others)
        used, compact = np.unique(np.concatenate([number, self._entries(places)[1]]), return_inverse=True)
        index = KeptIndex(compact[: len(number)], len(used))
        index.add(owner, compact[: len(number)])
        for later, earlier in index.candidates(self._entries(places)[0], compact[len(number) :]):
            before = earlier < later
            yield self._similar(later[before], earlier[before], note=note)

    def _similar(self, later: NDArray[np.int64], earlier: NDArray[np.int64], *, note: bool = False) -> _Pairs:
        """Those of the pairs that reach the threshold."""
        one, other = self._members[later], self._members[earlier]
        sizes = self._shingles.sizes()[np.stack([one, other])]
        able = np.flatnonzero(sizes.min(axis=0) >= self._threshold * sizes.max(axis=0) - SLACK)
        at_most = np.ones(len(able))
        if self._confirm is not None:
            at_most = self._confirm(one[able], other[able])
            able, at_most = able[at_most >= self._threshold], at_most[at_most >= self._threshold]
        similarity = np.minimum(self._shingles.similarity(one[able], other[able]), at_most)
        if note and self._measured is not None:
            np.fmax.at(self._measured, one[able], similarity)
        reached = similarity >= self._threshold
        return _Pairs(later[able[reached]], earlier[able[reached]], similarity[reached])

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
