"""MinHash signatures (Broder 1997), kept as the band keys of locality-sensitive hashing (Indyk and Motwani 1998).

Two sets agree in one MinHash with a chance equal to their Jaccard similarity s, and so in all `rows` of a band with s^rows. They are
candidates when any of `bands` bands agrees: 1 - (1 - s^rows)^bands. Only band keys are stored, a fifth of the signature's size.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.shingles import mix

_RECALL_AT_THRESHOLD = 0.999
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


class Bands(NamedTuple):
    """How a signature is cut."""

    bands: int
    rows: int

    def recall(self, similarity: float) -> float:
        """Chance that a pair of that similarity becomes a candidate."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


def choose_bands(threshold: float, permutations: int) -> Bands:
    """The longest bands (the fewest false candidates) that still find 999 in 1000 pairs at the threshold; else bands of one row."""
    for rows in range(permutations, 1, -1):
        cut = Bands(permutations // rows, rows)
        if cut.recall(threshold) >= _RECALL_AT_THRESHOLD:
            return cut
    return Bands(permutations, 1)


def band_keys(values: NDArray[np.uint32], counts: NDArray[np.int64], cut: Bands) -> NDArray[np.uint32]:
    """Keys of each set's bands, shape (bands, sets). Sets are given one after the other, as `shingle` does.

    The keys of an empty set mean nothing. The hash functions are x -> (a x + b) mod 2^32 with a odd, on shingles that are hashes already.
    """
    keys = np.zeros((cut.bands, len(counts)), dtype=np.uint32)
    full = np.flatnonzero(counts)
    if not len(full):
        return keys
    starts = (np.cumsum(counts) - counts)[full]
    factors, offsets = _functions(cut.bands * cut.rows)
    hashed = np.empty_like(values)
    for band in range(cut.bands):
        key = np.zeros(len(full), dtype=np.uint64)
        for row in range(band * cut.rows, (band + 1) * cut.rows):
            np.multiply(values, factors[row], out=hashed)
            np.add(hashed, offsets[row], out=hashed)
            key = mix(key * _GAMMA + np.minimum.reduceat(hashed, starts))
        keys[band, full] = key >> np.uint64(32)
    return keys


def _functions(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Factors and offsets of `count` hash functions: the same on every machine and for every seed of a spec."""
    drawn = mix(np.arange(1, count + 1, dtype=np.uint64) * _GAMMA)
    return (drawn >> np.uint64(32)).astype(np.uint32) | np.uint32(1), drawn.astype(np.uint32)
