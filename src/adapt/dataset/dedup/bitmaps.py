"""Small pictures of shingle sets, by which most unlike pairs are told apart without a look at the sets.

Every shingle sets one of 1024 bits, or of more where the bound should be narrow. A bit that two pictures do not share stands for a shingle that the
sets do not share, so d such bits leave at most (m + n - d) / 2 shingles in common (bitmap filter: Sandes, Teodoro, Melo 2020). The bound is sure; it
is of use up to some thousand shingles.
"""

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.shingle_file import ShingleFile

_WORD_BITS = 6
_LANES, _ADD_LANES = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0001000100010001)
_PAIRS_AT_ONCE = 1 << 15


class Bitmaps:
    """Pictures of the sets of some records, each of 2^`bits` bits."""

    def __init__(self, shingles: ShingleFile, members: NDArray[np.int64], bits: int = 10) -> None:
        self._sizes = shingles.sizes()[members]
        self._words = np.zeros((len(members), 1 << bits - _WORD_BITS), dtype=np.uint64)
        for part in shingles.parts(members):
            values, counts = shingles.gather(members[part])
            owner = np.repeat(part, counts)
            word = (values >> np.uint32(32 - bits + _WORD_BITS)).astype(np.int64)  # ascending in each set, as the values are
            opens = np.flatnonzero(np.append(True, (word[1:] != word[:-1]) | (owner[1:] != owner[:-1])))
            marks = np.uint64(1) << ((values >> np.uint32(32 - bits)) & np.uint32(63)).astype(np.uint64)
            self._words[owner[opens], word[opens]] = np.bitwise_or.reduceat(marks, opens)

    def at_most(self, left: NDArray[np.int64], right: NDArray[np.int64], others: "Bitmaps | None" = None) -> NDArray[np.float64]:
        """The greatest Jaccard similarity that pairs of members, given by their places, may have: never less than what measuring gives. With
        `others`, `right` are places among the members of those."""
        others = others or self
        found = np.empty(len(left), dtype=np.float64)
        for begin in range(0, len(left), _PAIRS_AT_ONCE):
            part = slice(begin, begin + _PAIRS_AT_ONCE)
            total = self._sizes[left[part]] + others._sizes[right[part]]
            shared = (total - _count_bits(self._words[left[part]] ^ others._words[right[part]])) // 2
            found[part] = shared / (total - shared)
        return found


def _count_bits(words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Set bits of each row: the counts of its words, which are bytes, added up eight at a time, in a third of the time of a sum of rows."""
    eights = np.bitwise_count(words).view(np.uint64)
    lanes = ((eights & _LANES) + ((eights >> np.uint64(8)) & _LANES)).sum(axis=1)
    return np.asarray((lanes * _ADD_LANES) >> np.uint64(48), dtype=np.int64)
