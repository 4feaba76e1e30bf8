"""Small pictures of shingle sets, by which most unlike pairs are told apart without a look at the sets.

Every shingle sets one of 1024 bits. A bit that two pictures do not share stands for a shingle that the sets do not share, so d such bits leave
at most (m + n - d) / 2 shingles in common (bitmap filter: Sandes, Teodoro, Melo 2020). The bound is sure; it is of use up to some thousand shingles.
"""

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.shingle_file import ShingleFile

_WORDS = 16
_PAIRS_AT_ONCE = 1 << 15


class Bitmaps:
    """Pictures of the sets of some records, 128 bytes each."""

    def __init__(self, shingles: ShingleFile, members: NDArray[np.int64]) -> None:
        self._sizes = shingles.sizes()[members]
        self._words = np.zeros((len(members), _WORDS), dtype=np.uint64)
        for part in shingles.parts(members):
            values, counts = shingles.gather(members[part])
            owner = np.repeat(part, counts)
            word = (values >> np.uint32(28)).astype(np.int64)  # ascending in each set, as the values are
            opens = np.flatnonzero(np.append(True, (word[1:] != word[:-1]) | (owner[1:] != owner[:-1])))
            bits = np.uint64(1) << ((values >> np.uint32(22)) & np.uint32(63)).astype(np.uint64)
            self._words[owner[opens], word[opens]] = np.bitwise_or.reduceat(bits, opens)

    def may_reach(self, threshold: float, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether pairs of members, by their places, may have that Jaccard similarity: false only where they have not."""
        found = np.empty(len(left), dtype=bool)
        for begin in range(0, len(left), _PAIRS_AT_ONCE):
            part = slice(begin, begin + _PAIRS_AT_ONCE)
            apart = np.bitwise_count(self._words[left[part]] ^ self._words[right[part]]).sum(axis=1, dtype=np.int64)
            total = self._sizes[left[part]] + self._sizes[right[part]]
            found[part] = (total - apart) * (1 + threshold) >= 2 * threshold * total - 1e-9
        return found
