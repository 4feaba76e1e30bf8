"""Exact duplicates: records whose question and answer are the same in normal form."""

import hashlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.normal import NormalText

_GAP = 0x20
_NARROW = 0xFF


def content_keys(normal: NormalText) -> NDArray[np.uint64]:
    """A 128-bit key of each text, shape (texts, 2). Gaps count only between digits: `1 2` is not `12`, but `e-mail` is `email`."""
    at = np.flatnonzero(normal.gap_before[1:] & normal.digit[1:] & normal.digit[:-1]) + 1
    at = at[~np.isin(at, normal.starts)]
    codes = np.insert(normal.codes, at, _GAP)
    starts = normal.starts + np.searchsorted(at, normal.starts)
    wide = np.diff(np.searchsorted(np.flatnonzero(codes > _NARROW), starts)) > 0
    narrow = memoryview(codes.astype(np.uint8).tobytes())  # a quarter to digest; no wide text has the same bytes, for a zero ends each of its codes
    broad = memoryview(codes.astype("<u4").tobytes()) if wide.any() else narrow
    bounds = zip(pairwise(starts.tolist()), wide.tolist(), strict=True)
    raw = (broad[4 * start : 4 * end] if is_wide else narrow[start:end] for (start, end), is_wide in bounds)
    digests = b"".join(hashlib.blake2b(part, digest_size=16).digest() for part in raw)
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2).astype(np.uint64)


def earliest_equals(keys: NDArray[np.uint64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each record, the record of lowest rank that has the same key: itself when there is no earlier one."""
    order = np.lexsort((rank, keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    winners = np.empty(len(order), dtype=np.int64)
    winners[order] = order[first][np.cumsum(first) - 1]
    return winners
