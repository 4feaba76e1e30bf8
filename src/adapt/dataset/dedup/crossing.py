"""All pairs of similar records that stand on different sides, found without chance: the proof that a split leaks nothing.

The largest side is not indexed: its records are streamed, in the order of their file, past an index in memory of all others, a fifth of the records
where a fifth is held out. Sets of m and n shingles, m the fewer, of similarity t or more share 2t / (1 + t) m shingles at least. So the first k
that they share, in any one order of all shingles, stand within the first (1 - t) / (1 + t) m + k of the smaller set, where they lead, and within the
first (1 - t) n + k of the larger (prefix filter with several matches: Wang, Li, Feng 2012). k grows with the sets: records that share a phrase by
chance share the two or three shingles of it, and those are far more pairs, a number that grows by the square, than share a few phrases.
The order puts first what is rarest among the indexed records. What none of them has makes no pair, and what the stream has is not counted.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.bitmaps import Bitmaps
from adapt.dataset.dedup.overlap import Pairs
from adapt.dataset.dedup.prefixes import SLACK
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.dataset.dedup.shingles import rows_of_like_length

_SHINGLES_PER_MATCH = 64
_MOST_COUNTERS, _COUNTERS_AT_ONCE = 1 << 26, 1 << 20
_HASH_BITS = np.uint32(27)
_HASH, _CLASSES = np.uint32((1 << 27) - 1), 1 << 5
_MOST_SLOT_BITS = 24
_PAIRS_AT_ONCE = 1 << 18
_ODD = 0x9E3779B1

Numbers = NDArray[np.int64]


def crossing_pairs(shingles: ShingleFile, members: Numbers, sides: Numbers, threshold: float) -> Iterator[Pairs]:
    """The pairs among `members` whose similarity reaches the threshold and whose sides differ, in batches, each pair once; `sides` has one for each
    member. Memory holds 8 bytes for each prefix shingle (at 0.7 a third of all) of the records that are not on the largest side."""
    order = np.argsort(members)  # about as they stand in the file
    order = order[shingles.sizes()[members[order]] > 0]
    members, sides = members[order], sides[order]
    _, codes, counts = np.unique(sides, return_inverse=True, return_counts=True)
    if len(counts) < 2:
        return
    indexed = codes != counts.argmax()
    search = _Search(shingles, members, codes, indexed, threshold)
    for places in (np.flatnonzero(~indexed), np.flatnonzero(indexed)):
        for part in shingles.parts(members[places]):
            yield from search.search(places[part])


class _Prefixes(NamedTuple):
    """The first shingles of some sets, set by set; of those that stand in no indexed set, none."""

    tokens: NDArray[np.uint32]
    """Hash and class of each. Two shingles may have one token: a pair then seems to share more than it does, never less."""
    owners: Numbers
    """Whose each is, by place among the members."""
    leading: NDArray[np.bool_]
    """Whether its place allows the threshold with a set that is no smaller than the owner's."""


class _Postings:
    """Who has a token, found by the first bits of it."""

    def __init__(self, packed: NDArray[np.uint64]) -> None:
        """`packed` has a token and its owner in each number, and is used up."""
        packed.sort()
        bits = min(_MOST_SLOT_BITS, max(1, len(packed).bit_length()))
        self._shift = np.uint32(32 - bits)
        self._owners = packed.astype(np.uint32)
        packed >>= np.uint64(32)
        self._tokens = packed.astype(np.uint32)
        ends = np.cumsum(np.bincount((self._tokens >> self._shift).astype(np.intp), minlength=1 << bits))
        self._starts = np.append(0, ends).astype(np.uint32)

    def count(self, asked: NDArray[np.uint32]) -> tuple[Numbers, Numbers]:
        """Where the entries with the first bits of each token begin, and how many they are."""
        slot = (asked >> self._shift).astype(np.intp)
        begins = self._starts.take(slot, mode="clip").astype(np.int64)
        slot += 1
        return begins, self._starts.take(slot, mode="clip") - begins

    def find(self, asked: NDArray[np.uint32], begins: Numbers, counts: Numbers) -> tuple[Numbers, Numbers]:
        """Each token that has an entry, by its place in `asked`, with the owner of the entry."""
        place = np.repeat(np.arange(len(asked)), counts)
        at = np.arange(len(place))
        at += (begins - (np.cumsum(counts) - counts)).take(place, mode="clip")
        same = np.flatnonzero(self._tokens.take(at, mode="clip") == asked.take(place, mode="clip"))
        return place.take(same, mode="clip"), self._owners.take(at.take(same, mode="clip"), mode="clip").astype(np.int64)


class _Search:
    """Compares streamed sets with indexed ones."""

    def __init__(self, shingles: ShingleFile, members: Numbers, sides: Numbers, indexed: NDArray[np.bool_], threshold: float) -> None:
        self._file, self._members, self._sides, self._indexed, self._threshold = shingles, members, sides, indexed, threshold
        self._sizes = shingles.sizes()[members]
        self._held = np.flatnonzero(indexed)
        self._classes = _classes(shingles, members[self._held])
        leading, following = [], []
        for part in shingles.parts(members[self._held]):
            for prefixes in self._prefixes(self._held[part]):
                packed = (prefixes.tokens.astype(np.uint64) << np.uint64(32)) | prefixes.owners.astype(np.uint64)
                leading.append(packed[prefixes.leading])
                following.append(packed[~prefixes.leading])
        self._leading = _Postings(np.concatenate(leading))
        leading.clear()
        self._following = _Postings(np.concatenate(following))
        self._measured = 0
        self._pictures: tuple[Bitmaps, Numbers] | None = None

    def search(self, part: Numbers) -> Iterator[Pairs]:
        """The similar pairs of these members, by their places, with indexed ones of other sides."""
        for prefixes in self._prefixes(part):
            for candidates in self._candidates(prefixes):
                left, right = self._bounded(*candidates)
                one, other = self._members[left], self._members[right]
                reached = self._file.similarity(one, other) >= self._threshold
                self._measured += len(one)
                if reached.any():
                    yield Pairs(one[reached], other[reached])

    def _prefixes(self, part: Numbers) -> Iterator[_Prefixes]:
        values, counts = self._file.gather(self._members[part])
        starts = np.cumsum(counts) - counts
        lead = 2 * self._threshold / (1 + self._threshold)
        for numbers, places in rows_of_like_length(counts):
            rows = values[starts[numbers][:, None] + places]
            size = counts[numbers][:, None]
            column = np.arange(rows.shape[1])
            slot = (rows & np.uint32(len(self._classes) - 1)).astype(np.intp)
            keys = (self._classes.take(slot, mode="clip").astype(np.uint32) << _HASH_BITS) | (rows & _HASH)
            keys[column >= size] = np.uint32(0xFFFFFFFF)
            keys.sort(axis=1)  # a sixth of what it takes with whole hashes, 64 bits a key
            length = size - np.ceil(self._threshold * size - SLACK).astype(np.int64) + _matches(size)
            keys = keys[:, : int(length.max())]
            column = column[: keys.shape[1]]
            chosen = (column < np.minimum(length, size)) & (keys > _HASH)  # class 0: no indexed set has it
            leading = column < size - np.ceil(lead * size - SLACK).astype(np.int64) + _matches(size)
            found = keys[chosen]
            tokens = (found << np.uint32(32 - _HASH_BITS)) | (found >> _HASH_BITS)
            yield _Prefixes(tokens, np.repeat(part[numbers], chosen.sum(axis=1)), leading[chosen])

    def _candidates(self, prefixes: _Prefixes) -> Iterator[tuple[Numbers, Numbers]]:
        """Pairs of a member and an indexed one of another side that share as many first shingles as similar ones must."""
        leads, follows = self._leading.count(prefixes.tokens), self._following.count(prefixes.tokens)
        follows[1][~prefixes.leading] = 0  # neither would lead
        total = np.cumsum(leads[1] + follows[1])
        begin = 0
        while begin < len(total):
            before = int(total[begin - 1]) if begin else 0
            end = int(np.searchsorted(total, before + _PAIRS_AT_ONCE, side="right"))
            if end < len(total):  # all pairs of a member in one batch
                end = int(np.searchsorted(prefixes.owners[begin:], prefixes.owners[end], side="left")) + begin
            if end <= begin:
                end = int(np.searchsorted(prefixes.owners[begin:], prefixes.owners[begin], side="right")) + begin
            asked = prefixes.tokens[begin:end]
            at, indexed = self._leading.find(asked, leads[0][begin:end], leads[1][begin:end])
            behind, larger = self._following.find(asked, follows[0][begin:end], follows[1][begin:end])
            yield self._sharing(prefixes.owners[begin:end].take(np.append(at, behind), mode="clip"), np.append(indexed, larger))
            begin = end

    def _sharing(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
        """Of pairs, one for each token shared, those of different sides that come often enough; each once."""
        if len(left) and self._indexed[left[0]]:  # such are searched apart, and would be found from either side
            able = (self._sides[left] != self._sides[right]) & (right < left)
            left, right = left[able], right[able]
        often = self._often(left, right)
        packed = np.sort((left[often] << 32) | right[often])
        opens = np.flatnonzero(np.append(True, packed[1:] != packed[:-1])[: len(packed)])
        shared = np.diff(np.append(opens, len(packed)))
        left, right = packed[opens] >> 32, packed[opens] & 0xFFFFFFFF
        smaller, larger = np.minimum(self._sizes[left], self._sizes[right]), np.maximum(self._sizes[left], self._sizes[right])
        able = (shared >= self._needed(smaller, larger)) & (smaller >= self._threshold * larger - SLACK)
        return left[able], right[able]

    def _often(self, left: Numbers, right: Numbers) -> Numbers:
        """Which of the pairs may come often enough: counted in slots that few share, in less than half the time of sorting them all."""
        slots = (left * _ODD + right) & ((1 << len(left).bit_length()) - 1)
        counts = np.bincount(slots).take(slots, mode="clip")
        sizes = self._sizes[left]
        return np.flatnonzero(counts >= self._needed(np.floor(self._threshold * sizes).astype(np.int64), sizes))

    def _needed(self, smaller: Numbers, larger: Numbers) -> Numbers:
        """How many of their first shingles a similar pair of such sizes shares at least."""
        return np.asarray(np.minimum(_matches(smaller), np.ceil(self._threshold * larger - SLACK).astype(np.int64)))

    def _bounded(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers]:
        """The pairs whose bitmaps allow the threshold. There are none before so many pairs were measured as bitmaps would have to be made."""
        if not len(left) or self._measured + len(left) < len(self._held):
            return left, right
        if self._pictures is None:
            places = np.zeros(len(self._members), dtype=np.int64)
            places[self._held] = np.arange(len(self._held))
            self._pictures = Bitmaps(self._file, self._members[self._held]), places
        pictures, places = self._pictures
        asked, asking = np.unique(left, return_inverse=True)
        able = pictures.at_most(places[right], asking, Bitmaps(self._file, self._members[asked])) >= self._threshold
        return left[able], right[able]


def _matches(size: Numbers) -> Numbers:
    """How many shared shingles a pair must have among the first ones; its smaller set has `size` shingles."""
    return 1 + size // _SHINGLES_PER_MATCH


def _classes(shingles: ShingleFile, members: Numbers) -> NDArray[np.uint8]:
    """How common shingles are among members, by the last bits of them: 0 for never, then a class for each factor of the square root of two. Never
    too low, for several shingles may share a counter; the last class has all above."""
    counters = min(_MOST_COUNTERS, 1 << max(4, (int(shingles.sizes()[members].sum()) // 2).bit_length()))
    common = np.zeros(counters, dtype=np.uint32)
    for part in shingles.parts(members):
        values, _ = shingles.gather(members[part])
        np.add.at(common, (values & np.uint32(counters - 1)).astype(np.intp), np.uint32(1))
    least = np.append(1, np.ceil(2 ** (np.arange(1, _CLASSES - 1) / 2)).astype(np.int64))
    class_of = np.searchsorted(least, np.arange(least[-1] + 1), side="right").astype(np.uint8)
    classes = np.empty(counters, dtype=np.uint8)
    for begin in range(0, counters, _COUNTERS_AT_ONCE):
        classes[begin : begin + _COUNTERS_AT_ONCE] = class_of.take(common[begin : begin + _COUNTERS_AT_ONCE].astype(np.intp), mode="clip")
    return classes
