"""MinHash signatures (Broder 1997), kept as the band keys of locality-sensitive hashing (Indyk and Motwani 1998).

Two sets agree in one MinHash with a chance equal to their Jaccard similarity s, and so in all `rows` of a band with s^rows. They are
candidates when any of `bands` bands agrees: 1 - (1 - s^rows)^bands. Only band keys are stored, a fifth of the signature's size.
"""

from math import ceil, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.shingles import mix

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_VALUES_AT_ONCE = 1 << 17


class Bands(NamedTuple):
    """How a signature is cut."""

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Chance that a pair of that similarity becomes a candidate."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


def choose_bands(threshold: float, permutations: int, recall: float) -> Bands:
    """The longest bands (the fewest false candidates), no more of them than find that share of the pairs at the threshold.

    Where `permutations` hash functions are too few for that recall: as many bands of one row.
    """
    for rows in range(permutations, 1, -1):
        found = threshold**rows
        if found >= recall:
            return Bands(1, rows)
        if found * permutations < 0.5:  # half the pairs would need more bands than there are functions
            continue
        bands = ceil(log(1 - recall) / log(1 - found))
        if bands * rows <= permutations:
            return Bands(bands, rows)
    return Bands(permutations, 1)


def band_keys(values: NDArray[np.uint32], counts: NDArray[np.int64], cut: Bands) -> NDArray[np.uint32]:
    """Keys of each set's bands, shape (bands, sets). Sets are given one after the other, as `shingle` does.

    The keys of an empty set mean nothing. The hash functions are x -> a x mod 2^32 with a odd, on shingles that are hashes already.
    """
    keys = np.zeros((cut.bands, len(counts)), dtype=np.uint32)
    full = np.flatnonzero(counts)
    ends = np.cumsum(counts[full])
    factors = _odd_numbers(cut.bands * cut.rows)
    weights = _odd_numbers(2 * cut.rows)[cut.rows :]
    begin = 0
    while begin < len(full):  # a piece that fits a processor's cache
        first = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, first + _VALUES_AT_ONCE, side="right")))
        piece = values[first : ends[end - 1]]
        keys[:, full[begin:end]] = _keys(piece, ends[begin:end] - counts[full[begin:end]] - first, factors.reshape(cut), weights)
        begin = end
    return keys


def _keys(values: NDArray[np.uint32], starts: NDArray[np.int64], factors: NDArray[np.uint32], weights: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Band keys of the sets that start at `starts`: of each band, its minima times the weights, added up."""
    hashed = np.empty_like(values)
    smallest = np.empty(len(starts), dtype=np.uint32)
    keys = np.zeros((len(factors), len(starts)), dtype=np.uint32)
    for key, band in zip(keys, factors, strict=True):
        for factor, weight in zip(band, weights, strict=True):
            np.multiply(values, factor, out=hashed)
            np.minimum.reduceat(hashed, starts, out=smallest)
            np.multiply(smallest, weight, out=smallest)
            np.add(key, smallest, out=key)
    return keys


def _odd_numbers(count: int) -> NDArray[np.uint32]:
    """The first of a row of odd numbers that look random: the same on every machine and for every seed of a spec."""
    return (mix(np.arange(1, count + 1, dtype=np.uint64) * _GAMMA) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
