"""Near-duplicates: records similar to one that is kept, each candidate measured by true Jaccard similarity.

Records are judged in an order of preference, and one is dropped only when it is itself similar to a record already kept.
So a chain of small changes cannot pull unlike records together, and every dropped record has a winner that resembles it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.shingles import ShingleFile


class Drop(NamedTuple):
    """A record that goes, the kept one that it resembles most, and how much."""

    record: int
    winner: int
    similarity: float


def find_near_duplicates(shingles: ShingleFile, keys: NDArray[np.uint32], members: NDArray[np.int64], threshold: float) -> Iterator[Drop]:
    """The records among `members` (best first) that resemble a kept one; of equally similar winners, the one that stands first.

    `keys` has shape (bands, records). Two records that share the key of a band are candidates; texts without a shingle never are.
    """
    members = members[shingles.sizes()[members] > 0]
    buckets, starts = _shared_buckets(keys, members)
    kept_in: dict[int, list[int]] = {}
    for place in np.flatnonzero(np.diff(starts)).tolist():
        own = buckets[starts[place] : starts[place + 1]].tolist()
        candidates = sorted({kept for bucket in own for kept in kept_in.get(bucket, ())})
        drop = _most_similar(shingles, int(members[place]), members[candidates], threshold)
        if drop is not None:
            yield drop
            continue
        for bucket in own:
            kept_in.setdefault(bucket, []).append(place)


def _most_similar(shingles: ShingleFile, record: int, others: NDArray[np.int64], threshold: float) -> Drop | None:
    """The first of the records in `others` that are most similar to `record`, if they reach the threshold."""
    sizes, size = shingles.starts[others + 1] - shingles.starts[others], len(shingles.of(record))
    others = others[np.minimum(sizes, size) >= threshold * np.maximum(sizes, size)]
    if not len(others):
        return None
    similarity = shingles.similarity(record, others)
    best = int(np.argmax(similarity))
    return Drop(record, int(others[best]), float(similarity[best])) if similarity[best] >= threshold else None


def _shared_buckets(keys: NDArray[np.uint32], members: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the buckets that each member shares with another, one member after the other, and where each member's start."""
    if not len(members):
        return np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    places, numbers, total = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], 0
    for band in range(len(keys)):
        key = keys[band, members]
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        same = ordered[1:] == ordered[:-1]
        shared = np.append(same, False) | np.append(False, same)
        opens = np.append(True, ~same) & shared
        places.append(order[shared])
        numbers.append(total + np.cumsum(opens)[shared] - 1)
        total += int(opens.sum())
    place, number = np.concatenate(places), np.concatenate(numbers)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.bincount(place, minlength=len(members)))])
    return number[np.argsort(place, kind="stable")], starts
