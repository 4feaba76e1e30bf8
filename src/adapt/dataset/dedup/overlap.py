"""All pairs of records at or above a similarity, found without chance: the proof that a split leaks nothing.

Prefix filtering (Bayardo, Ma, Srikant 2007): order each set's shingles from rare to common. Two sets of similarity t or more share one
of the first n - ceil(t n) + 1 shingles of either, so only pairs that share such a prefix shingle need be measured; and of these
only pairs with enough shingles left after the first shared one (positional filtering, Xiao et al. 2008).
How common a shingle is may be counted loosely: any one order for all sets is right, a rare-first one is merely fast.
"""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.shingles import ShingleFile

_MOST_COUNTERS = 1 << 24
_SHINGLES_AT_ONCE = 1 << 20
_CANDIDATES_AT_ONCE = 1 << 20
_OTHERS_AT_ONCE = 1 << 12
_SLACK = 1e-9


class Pairs(NamedTuple):
    """Pairs of records, place by place."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]


class _Prefixes(NamedTuple):
    """The prefix shingles of all records, those of equal shingle together and then by owner."""

    tokens: NDArray[np.uint32]
    owners: NDArray[np.int32]
    """Whose each is, by place among the members."""
    places: NDArray[np.int32]
    """Place of each in its record's order, rarest first."""


def similar_pairs(shingles: ShingleFile, members: NDArray[np.int64], threshold: float, labels: NDArray[np.int64]) -> Iterator[Pairs]:
    """The pairs among `members` whose similarity reaches the threshold and whose labels differ, in batches of one left record.

    `labels` (one per record) may be changed between batches: pairs whose labels have become equal are no longer looked at.
    """
    prefixes = _prefixes(shingles, members, threshold)
    for pairs in _candidates(prefixes, shingles.sizes()[members], threshold):
        left, right = members[pairs.left], members[pairs.right]
        starts = np.flatnonzero(np.append(True, left[1:] != left[:-1]))
        for start, end in zip(starts, np.append(starts[1:], len(left)), strict=True):
            record = int(left[start])
            for first in range(start, end, _OTHERS_AT_ONCE):
                others = right[first : min(end, first + _OTHERS_AT_ONCE)]
                others = others[labels[others] != labels[record]]
                if not len(others):
                    continue
                others = others[shingles.similarity(record, others) >= threshold]
                if len(others):
                    yield Pairs(np.full(len(others), record, dtype=np.int64), others)


def _candidates(prefixes: _Prefixes, sizes: NDArray[np.int64], threshold: float) -> Iterator[Pairs]:
    """Distinct pairs of members, by place, that could reach the threshold; all pairs of one left member are in one batch."""
    tokens, owners, places = prefixes
    if not len(tokens):
        return
    closes = np.flatnonzero(np.append(tokens[1:] != tokens[:-1], True)) + 1
    following = np.repeat(closes, np.diff(closes, prepend=0)) - np.arange(len(tokens)) - 1
    entries = np.argsort(owners, kind="stable")
    entries = entries[following[entries] > 0]
    piece = np.cumsum(following[entries]) // _CANDIDATES_AT_ONCE
    cuts = np.flatnonzero(np.diff(piece)) + 1
    cuts = np.unique(np.searchsorted(owners[entries], owners[entries][cuts]))  # at the first entry of a record
    for batch in np.split(entries, cuts[cuts > 0]):
        if not len(batch):
            continue
        count = following[batch]
        left = np.repeat(batch, count)
        right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(count) - count, count)
        one, other = sizes[owners[left]], sizes[owners[right]]
        shared_at_most = np.minimum(one - places[left], other - places[right])
        able = (shared_at_most * (1 + threshold) >= threshold * (one + other) - _SLACK) & (
            np.minimum(one, other) >= threshold * np.maximum(one, other) - _SLACK
        )
        keys = np.sort((owners[left[able]].astype(np.int64) << 32) | owners[right[able]])
        keys = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
        if len(keys):
            yield Pairs(keys >> 32, keys & 0xFFFFFFFF)


def _prefixes(shingles: ShingleFile, members: NDArray[np.int64], threshold: float) -> _Prefixes:
    common = _counts(shingles, members)
    counters = len(common)
    tokens, owners, places = [np.zeros(0, dtype=np.uint32)], [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
    for part in _parts(shingles, members):
        values, counts = shingles.gather(members[part])
        owner = np.repeat(np.arange(len(part)), counts)
        order = np.lexsort((values, common[values % counters], owner))
        place = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
        length = np.array([count - ceil(threshold * count - _SLACK) + 1 for count in counts.tolist()], dtype=np.int64)
        chosen = (place < length[owner]) & (common[values[order] % counters] > 1)  # a shingle that occurs once makes no pair
        tokens.append(values[order[chosen]])
        owners.append(part[owner[chosen]].astype(np.int32))
        places.append(place[chosen].astype(np.int32))
    token = np.concatenate(tokens)
    order = np.argsort(token, kind="stable")  # owners stay ascending
    return _Prefixes(token[order], np.concatenate(owners)[order], np.concatenate(places)[order])


def _counts(shingles: ShingleFile, members: NDArray[np.int64]) -> NDArray[np.uint32]:
    """How often shingles occur: never less than the truth, for several may share a counter."""
    counters = min(_MOST_COUNTERS, 1 << int(shingles.sizes()[members].sum() + 1).bit_length())
    common = np.zeros(counters, dtype=np.uint32)
    for part in _parts(shingles, members):
        common += np.bincount(shingles.gather(members[part])[0] % counters, minlength=counters).astype(np.uint32)
    return common


def _parts(shingles: ShingleFile, members: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Places of members in pieces of bounded size; those without shingles are left out."""
    sizes = shingles.sizes()[members]
    places = np.flatnonzero(sizes)
    if len(places):
        piece = np.cumsum(sizes[places]) // _SHINGLES_AT_ONCE
        yield from np.split(places, np.flatnonzero(np.diff(piece)) + 1)
