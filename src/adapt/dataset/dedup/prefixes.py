"""The rarest shingles of all records, as a file that is read piece by piece: the index of the search for all similar pairs.

Prefix filtering (Bayardo, Ma, Srikant 2007): order each set's shingles from rare to common. Two sets of similarity t or more share one
of the first n - ceil(t n) + 1 shingles of either, so only these are kept. In the smaller of the two sets it stands further in front still, within the
first (1 - t) / (1 + t) of the shingles (Xiao et al. 2008): it leads there. A shingle that leads nowhere makes no pair, however many have it. How
common a shingle is may be counted loosely: any one order for all sets is right, a rare-first one is merely fast.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.bitmaps import Bitmaps
from adapt.dataset.dedup.shingle_file import ShingleFile
from adapt.dataset.dedup.shingles import rows_of_like_length

SLACK = 1e-9
_MOST_COUNTERS = 1 << 26
_SHARD_BITS, _OWNER_BITS, _PLACE_BITS = 4, 28, 8
_PLACES = np.uint64((1 << _PLACE_BITS) - 1)
_MOST_SLOTS = 1 << 24


class Entries(NamedTuple):
    """Prefix shingles that several records have, those of equal shingle together and then by owner."""

    tokens: NDArray[np.uint64]
    """Tells shingles apart."""
    owners: NDArray[np.int64]
    """Whose each is, by place among the members."""
    places: NDArray[np.float64]
    """A lower bound of its place in the owner's order, rarest first, as a share of all the owner's shingles."""
    leading: NDArray[np.bool_]
    """Whether its place allows the threshold with a set that is no smaller than the owner's."""


class PrefixIndex:
    """The prefixes of some records for one threshold, and the bitmaps of their sets; a context manager. Its files lie beside the shingles."""

    def __init__(self, shingles: ShingleFile, members: NDArray[np.int64], threshold: float) -> None:
        if len(members) >= 1 << _OWNER_BITS:
            raise AssertionError("the index numbers at most 2^28 records")
        self.members, self.threshold = members, threshold
        self.bitmaps = Bitmaps(shingles, members)
        self._stack = ExitStack()
        self._paths = [Path(f"{shingles.path}.{shard}") for shard in range(1 << _SHARD_BITS)]
        for path in self._paths:
            self._stack.callback(path.unlink, missing_ok=True)
        with ExitStack() as files:
            _write(shingles, members, threshold, [files.enter_context(path.open("wb")) for path in self._paths])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def pieces(self) -> Iterator[Entries]:
        """The prefixes, in 16 pieces by shingle: memory holds a piece at a time."""
        leads_up_to = np.uint64(((1 - self.threshold) / (1 + self.threshold) + SLACK) * (1 << _PLACE_BITS))
        for path in self._paths:
            packed = _shared(np.fromfile(path, dtype="<u8"), leads_up_to)
            packed.sort()
            places = packed & _PLACES
            tokens = packed >> np.uint64(_OWNER_BITS + _PLACE_BITS)
            yield Entries(tokens, _owners(packed), places / (1 << _PLACE_BITS), places <= leads_up_to)


def _owners(packed: NDArray[np.uint64]) -> NDArray[np.int64]:
    return ((packed >> np.uint64(_PLACE_BITS)) & np.uint64((1 << _OWNER_BITS) - 1)).astype(np.int64)


def _write(shingles: ShingleFile, members: NDArray[np.int64], threshold: float, files: list[BinaryIO]) -> None:
    """Write each prefix shingle as 64 bits: its last 28 bits, its owner, its place; its first 4 bits say into which file."""
    common = _counts(shingles, members)
    mask = np.uint32(len(common) - 1)
    for part in shingles.parts(members):
        values, counts = shingles.gather(members[part])
        starts = np.cumsum(counts) - counts
        for numbers, places in rows_of_like_length(counts):
            rows = values[starts[numbers][:, None] + places]
            size = counts[numbers][:, None]
            column = np.arange(rows.shape[1])
            keys = (common[rows & mask].astype(np.uint64) << np.uint64(32)) | rows
            keys[column >= size] = np.uint64(0xFFFFFFFFFFFFFFFF)
            keys.sort(axis=1)
            length = size - np.ceil(threshold * size - SLACK).astype(np.int64) + 1
            width = int(length.max())
            chosen = (column[:width] < length) & (keys[:, :width] >> np.uint64(32) > 1)  # a shingle that occurs once makes no pair
            token = keys[:, :width] & np.uint64(0xFFFFFFFF)
            place = (column[:width] << _PLACE_BITS) // size
            owner = np.broadcast_to(part[numbers][:, None], token.shape)
            packed = (token << np.uint64(_OWNER_BITS + _PLACE_BITS)) | (owner << _PLACE_BITS | place).astype(np.uint64)
            _append(packed[chosen], (token[chosen] >> np.uint64(32 - _SHARD_BITS)).astype(np.uint8), files)


def _append(packed: NDArray[np.uint64], shard: NDArray[np.uint8], files: list[BinaryIO]) -> None:
    ordered = packed[np.argsort(shard, kind="stable")].astype("<u8", copy=False)
    ends = np.cumsum(np.bincount(shard, minlength=len(files)))
    for file, end, before in zip(files, ends.tolist(), [0, *ends.tolist()], strict=False):
        file.write(ordered[before:end].data)


def _shared(packed: NDArray[np.uint64], leads_up_to: np.uint64) -> NDArray[np.uint64]:
    """Leaves out most shingles that occur once or lead nowhere: a table that small sees slots, and may take two shingles for one."""
    slots = min(_MOST_SLOTS, 1 << max(4, 2 * len(packed)).bit_length())
    slot = (packed >> np.uint64(_OWNER_BITS + _PLACE_BITS)) & np.uint64(slots - 1)
    leads = np.zeros(slots, dtype=bool)
    leads[slot[(packed & _PLACES) <= leads_up_to]] = True
    chosen = leads[slot]
    packed, slot = packed[chosen], slot[chosen]
    last = np.zeros(slots, dtype=np.uint32)
    number = np.arange(len(packed), dtype=np.uint32)
    last[slot] = number
    several = np.zeros(slots, dtype=bool)
    several[slot[last[slot] != number]] = True
    return np.asarray(packed[several[slot]])


def _counts(shingles: ShingleFile, members: NDArray[np.int64]) -> NDArray[np.uint32]:
    """How often shingles occur: never less than the truth, for several may share a counter. Were there far fewer counters than shingles, all would
    look common."""
    counters = min(_MOST_COUNTERS, 1 << int(shingles.sizes()[members].sum() + 1).bit_length())
    common = np.zeros(counters, dtype=np.uint32)
    for part in shingles.parts(members):
        values, _ = shingles.gather(members[part])
        np.add.at(common, (values & np.uint32(counters - 1)).astype(np.intp), np.uint32(1))
    return common
