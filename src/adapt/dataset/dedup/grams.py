"""An index of n-grams that holds tens of millions: a test split of 100,000 long records has as many.

Enters: hashes of the n-grams of texts, text by text. Leaves: where a hash occurs. An entry takes 12 bytes: 64 bits with the first bits of its
hash and its number, by which entries are sorted, and 32 more bits of the hash, by which a find is confirmed. A Bloom filter of one hash
function (Bloom 1970) answers for nearly all that is not there.
N-grams of very many texts are left out: they are boilerplate (Brown et al. 2020, appendix C, ignore those of more than ten documents), and a search
that met each of their occurrences would take time by the square of the texts. Their units count for nothing, though an n-gram beside them hold some.
"""

import numpy as np
from numpy.typing import NDArray

_BITS_FOR_EACH = 32
_MOST_BITS = 1 << 31
_AT_ONCE = 1 << 20


class GramIndex:
    """N-grams of `size` units that stand in at most `common` texts.

    `counts` says how many each text has, `boilerplate` which ones stand in too many texts elsewhere. The parts are
    taken over: `parts` is empty afterwards.
    """

    def __init__(
        self,
        size: int,
        parts: list[NDArray[np.uint64]],
        counts: NDArray[np.int64],
        common: int,
        boilerplate: NDArray[np.uint64] | None = None,
    ) -> None:
        self.size, self.count = size, int(counts.sum())
        self._starts = np.cumsum(counts) - counts
        self._number_bits = np.uint64(max(1, self.count.bit_length()))
        self._entries = np.empty(self.count, dtype=np.uint64)
        self._rest = np.empty(self.count, dtype=np.uint32)
        self._filter = np.zeros(min(_MOST_BITS, 1 << max(6, (self.count * _BITS_FOR_EACH).bit_length())) // 8, dtype=np.uint8)
        filled = 0
        parts.reverse()
        while parts:
            hashes = parts.pop()
            for begin in range(0, len(hashes), _AT_ONCE):
                self._fill(hashes[begin : begin + _AT_ONCE], filled)
                filled += len(hashes[begin : begin + _AT_ONCE])
        self._entries.sort()
        self._units = np.append(0, np.cumsum(np.where(counts > 0, counts + size - 1, 0)))
        known = self._leave_out_known(boilerplate if boilerplate is not None else np.zeros(0, dtype=np.uint64))
        self._own = self._count_own(np.sort(np.concatenate([known, self._leave_out(common)])))
        self.sizes: NDArray[np.int64] = np.diff(self._units if self._own is None else self._own[self._units].astype(np.int64))
        """How many units each text has that are not boilerplate; 0 for texts shorter than an n-gram."""

    def may_hold(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which hashes may be in the index; all that are in it are among them."""
        byte, bit = self._slots(hashes)
        return np.asarray(self._filter[byte] & bit, dtype=bool)

    def holds(self, hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which hashes are in the index, but for the confirmation."""
        first, last = self._range(hashes)
        return np.asarray(last > first)

    def find(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Every occurrence of the hashes: which of them it is, its text, and its first unit in that text."""
        which, _, number = self._occurrences(hashes)
        text = self._text(number)
        return which, text, number - self._starts[text]

    def cover(self, text: NDArray[np.int64], unit: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many units that are not boilerplate lie in the n-grams that begin at these units, for each of the texts named, ascending."""
        order = np.lexsort((unit, text))
        text, unit = text[order], unit[order]
        step = np.full(len(text), self.size)
        same = text[1:] == text[:-1]
        step[:-1][same] = np.minimum(unit[1:] - unit[:-1], self.size)[same]
        if self._own is not None:
            begin = self._units[text] + unit
            step = self._own[begin + step] - self._own[begin]
        opens = np.flatnonzero(np.append(True, ~same)) if len(text) else np.zeros(0, dtype=np.int64)
        return np.asarray(np.add.reduceat(step, opens) if len(opens) else step, dtype=np.int64)

    def _count_own(self, common: NDArray[np.int64]) -> NDArray[np.int32] | None:
        """How many units before each are in none of these n-grams, all texts in a row; None when there are no such n-grams."""
        if not len(common):
            return None
        text = self._text(common)
        begin = self._units[text] + common - self._starts[text]
        marks = np.zeros(int(self._units[-1]) + 1, dtype=np.int32)  # +1 where one begins, -1 where it ends
        np.add.at(marks, begin, 1)
        np.add.at(marks, begin + self.size, -1)
        np.cumsum(marks, out=marks)
        own = marks[:-1] == 0
        marks[0] = 0
        np.cumsum(own, out=marks[1:])
        return marks

    def _occurrences(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Every occurrence of the hashes: which of them it is, its entry, and its number."""
        first, last = self._range(hashes)
        counts = last - first
        which = np.repeat(np.arange(len(hashes)), counts)
        entry = np.arange(len(which)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        number = self._numbers(self._entries[entry])
        same = self._rest[number] == hashes[which].astype(np.uint32)
        return which[same], entry[same], number[same]

    def _leave_out_known(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Remove the entries of these n-grams; returns their numbers."""
        _, entry, number = self._occurrences(hashes)
        self._remove(entry)
        return number

    def _leave_out(self, common: int) -> NDArray[np.int64]:
        """Remove the entries of the n-grams that stand in more than `common` texts; returns their numbers."""
        begin, end = self._range(self._long_runs(common))
        entry = np.arange(int((end - begin).sum())) + np.repeat(begin - (np.cumsum(end - begin) - (end - begin)), end - begin)
        number, bits = self._numbers(self._entries[entry]), self._first_bits(self._entries[entry])
        order = np.lexsort((number, self._rest[number], bits))
        entry, number, bits = entry[order], number[order], bits[order]
        text, rest = self._text(number), self._rest[number]
        opens = np.append(True, (rest[1:] != rest[:-1]) | (bits[1:] != bits[:-1]))[: len(entry)]
        changes = opens | np.append(True, text[1:] != text[:-1])[: len(entry)]
        gram = np.cumsum(opens) - 1
        left_out = np.bincount(gram, weights=changes)[gram] > common if len(gram) else np.zeros(0, dtype=bool)
        self._remove(entry[left_out])
        return np.sort(number[left_out])

    def _long_runs(self, common: int) -> NDArray[np.uint64]:
        """The first bits that more than `common` entries have."""
        found = [np.zeros(0, dtype=np.uint64)]
        for begin in range(0, len(self._entries) - common, _AT_ONCE):
            last = self._first_bits(self._entries[begin + common : begin + common + _AT_ONCE])
            found.append(np.unique(last[last == self._first_bits(self._entries[begin : begin + len(last)])]))
        return np.unique(np.concatenate(found))

    def _remove(self, entries: NDArray[np.int64]) -> None:
        """Close the gaps of these entries, in place: a second array of all would not fit beside the first."""
        if not len(entries):
            return
        kept = np.ones(len(self._entries), dtype=bool)
        kept[entries] = False
        filled = 0
        for begin in range(0, len(kept), _AT_ONCE):
            piece = self._entries[begin : begin + _AT_ONCE][kept[begin : begin + _AT_ONCE]]
            self._entries[filled : filled + len(piece)] = piece
            filled += len(piece)
        self._entries = self._entries[:filled]

    def _numbers(self, entries: NDArray[np.uint64]) -> NDArray[np.int64]:
        return (entries & ((np.uint64(1) << self._number_bits) - np.uint64(1))).astype(np.int64)

    def _text(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Whose n-grams these are, by number."""
        return np.searchsorted(self._starts, numbers, side="right") - 1

    def _fill(self, hashes: NDArray[np.uint64], filled: int) -> None:
        end = filled + len(hashes)
        self._rest[filled:end] = hashes.astype(np.uint32)
        self._entries[filled:end] = self._first_bits(hashes) | np.arange(filled, end, dtype=np.uint64)
        np.bitwise_or.at(self._filter, *self._slots(hashes))

    def _range(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First entry with the first bits of each hash, and the one after the last."""
        low = self._first_bits(hashes)
        high = low | ((np.uint64(1) << self._number_bits) - np.uint64(1))
        return np.searchsorted(self._entries, low, side="left"), np.searchsorted(self._entries, high, side="right")

    def _first_bits(self, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return (hashes >> self._number_bits) << self._number_bits

    def _slots(self, hashes: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.uint8]]:
        """Byte and bit of the filter for each hash."""
        slot = hashes & np.uint64(len(self._filter) * 8 - 1)
        return (slot >> np.uint64(3)).astype(np.intp), np.uint8(1) << (slot & np.uint64(7)).astype(np.uint8)
