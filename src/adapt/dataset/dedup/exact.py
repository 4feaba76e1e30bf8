"""Exact duplicates: records whose question and answer are the same in normal form."""

import hashlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.normal import NormalText

_GAP = 0x20


def content_keys(normal: NormalText) -> NDArray[np.uint64]:
    """A 128-bit key of each text, shape (texts, 2). Gaps count only between digits: `1 2` is not `12`, but `e-mail` is `email`."""
    apart = normal.gap_before.copy()
    apart[1:] &= normal.digit[1:] & normal.digit[:-1]
    apart[normal.starts[:-1][normal.starts[:-1] < len(apart)]] = False
    width = 1 + apart
    places = np.cumsum(width) - 1
    spaced = np.full(int(width.sum()), _GAP, dtype="<u4")
    spaced[places] = normal.codes
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(width)])[normal.starts] * 4
    raw = memoryview(spaced.tobytes())
    digests = b"".join(hashlib.blake2b(raw[start:end], digest_size=16).digest() for start, end in pairwise(bounds.tolist()))
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
