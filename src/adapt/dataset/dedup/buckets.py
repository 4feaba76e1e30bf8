"""Buckets: what records share that makes them candidates, and the pairs that follow from it.

A bucket holds the records that agree in the key of a band. Only buckets of two records or more are kept.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_PAIRS_AT_ONCE = 1 << 20


class Buckets(NamedTuple):
    """The buckets of each place, one place after the other."""

    numbers: NDArray[np.uint32]
    """Numbers of the buckets, ascending for each place."""
    starts: NDArray[np.int64]
    """Where each place starts in `numbers`; one more than there are places."""
    total: int
    """How many buckets there are."""


class Crossing(NamedTuple):
    """Keys of a band that make candidates of records of different sides only."""

    keys: NDArray[np.uint32]
    sides: NDArray[np.bool_]
    """The side of each record."""


def shared_buckets(keys: Iterable[NDArray[np.uint32] | Crossing], members: NDArray[np.int64]) -> Buckets:
    """The buckets that each member shares with another, where `keys` gives for each band the keys of all records."""
    found, total = [np.zeros(0, dtype=np.uint64)], 0
    places = np.arange(len(members), dtype=np.uint64)
    for band in keys:
        values = band.keys if isinstance(band, Crossing) else band
        entries = np.sort((values[members].astype(np.uint64) << np.uint64(32)) | places)
        key = entries >> np.uint64(32)
        same = key[1:] == key[:-1]
        shared = np.append(same, False) | np.append(False, same)
        if isinstance(band, Crossing) and len(entries):
            shared &= _has_both(band.sides[members][(entries & np.uint64(0xFFFFFFFF)).astype(np.int64)], np.append(True, ~same))
        if len(entries) > 1 and shared.any():
            opens = (np.append(True, ~same) & shared)[shared]
            number = (total + np.cumsum(opens) - 1).astype(np.uint64)
            found.append(((entries[shared] & np.uint64(0xFFFFFFFF)) << np.uint64(32)) | number)
            total += int(opens.sum())
    entries = np.concatenate(found)
    found.clear()
    entries.sort()
    starts = np.searchsorted(entries, np.arange(len(members) + 1, dtype=np.uint64) << np.uint64(32))
    return Buckets(entries.astype(np.uint32), starts, total)


def _has_both(sides: NDArray[np.bool_], opens: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which entries stand in a bucket with both sides; `opens` says where buckets begin."""
    firsts = np.flatnonzero(opens)
    mixed = np.logical_or.reduceat(sides, firsts) & ~np.logical_and.reduceat(sides, firsts)
    return np.asarray(mixed[np.cumsum(opens) - 1])


class KeptIndex:
    """Which places were kept, by bucket. Made from the bucket of each entry that may come: so much room each bucket has."""

    def __init__(self, numbers: NDArray[np.generic], count: int) -> None:
        sizes = np.bincount(numbers, minlength=count)
        self._room = np.cumsum(sizes) - sizes
        self._filled = np.zeros(count, dtype=np.int64)
        self._kept = np.zeros(len(numbers), dtype=np.int32)

    def add(self, places: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
        """Put places into buckets, place by place; places ascend in the order of calls."""
        order = np.argsort(numbers, kind="stable")
        ordered = numbers[order]
        opens = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
        counts = np.diff(np.append(opens, len(ordered)))
        rank = np.arange(len(ordered)) - np.repeat(opens, counts)
        self._kept[self._room[ordered] + self._filled[ordered] + rank] = places[order]
        self._filled[ordered[opens]] += counts

    def candidates(self, places: NDArray[np.int64], numbers: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs of a place and a kept place in one of its buckets, each once in a batch; all pairs of a place are in one batch."""
        held = self._filled[numbers]
        for begin, end in _batches(places, held):
            counts = held[begin:end]
            slot = np.arange(int(counts.sum())) + np.repeat(self._room[numbers[begin:end]] - (np.cumsum(counts) - counts), counts)
            yield distinct_pairs(np.repeat(places[begin:end], counts), self._kept[slot].astype(np.int64))


def distinct_pairs(left: NDArray[np.int64], right: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs without repeats, by left and then by right; numbers are below 2^32."""
    packed = np.sort((left << 32) | right)
    packed = packed[np.append(True, packed[1:] != packed[:-1])[: len(packed)]]
    return packed >> 32, packed & 0xFFFFFFFF


def _batches(places: NDArray[np.int64], counts: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cuts entries, of which each gives some pairs, between places so that a batch gives about `_PAIRS_AT_ONCE`."""
    total = np.cumsum(counts)
    begin = 0
    while begin < len(places):
        before = int(total[begin - 1]) if begin else 0
        end = int(np.searchsorted(total, before + _PAIRS_AT_ONCE, side="right"))
        if end < len(places):
            end = int(np.searchsorted(places, places[end], side="left"))
        if end <= begin:  # one place has more
            end = int(np.searchsorted(places, places[begin], side="right"))
        yield begin, end
        begin = end
