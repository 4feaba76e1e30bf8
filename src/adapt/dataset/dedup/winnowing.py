"""Anchors: places of a text chosen by its content alone, so that two texts which share a long run choose the same places in it.

Winnowing (Schleimer, Wilkerson, Aiken 2003): of the runs of k units, the one of smallest hash in every window of w is chosen. A shared run
of k + w - 1 units or more holds a whole window, hence a chosen place. Here k is three quarters of the shortest run that counts, and 8% of the
places are chosen when that is 100.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.dedup.folding import Units, roll

_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)


class Anchors(NamedTuple):
    """Chosen runs, text by text."""

    hashes: NDArray[np.uint64]
    texts: NDArray[np.int64]
    """Place of the text among those given."""
    units: NDArray[np.int64]
    """First unit of the run, counted from the text's first."""


def choose_anchors(units: Units, shortest: int, texts: NDArray[np.bool_]) -> Anchors:
    """The anchors of the texts chosen by `texts` for shared runs of `shortest` units or more."""
    run = max(1, shortest * 3 // 4)
    window = shortest - run + 1
    hashes = roll(units.hashes, run)
    inside = np.zeros(len(units.hashes) + 1, dtype=np.int64)  # +1 where whole runs of a chosen text begin, -1 where they end
    lengths = np.diff(units.starts)
    fits = texts & (lengths >= shortest)
    np.add.at(inside, units.starts[:-1][fits], 1)
    np.add.at(inside, units.starts[:-1][fits] + lengths[fits] - run + 1, -1)
    hashes = np.where(np.cumsum(inside)[: len(hashes)] > 0, hashes, _NONE)
    if not len(hashes):
        return Anchors(hashes, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    least = _slide(np.minimum, np.concatenate([np.full(window - 1, _NONE), hashes]), window)  # of the windows that end at each place
    reached = _slide(np.maximum, np.concatenate([least, np.zeros(window - 1, dtype=np.uint64)]), window)
    at = np.flatnonzero((hashes == reached) & (hashes != _NONE))
    owner = np.searchsorted(units.starts, at, side="right") - 1
    return Anchors(hashes[at], owner, at - units.starts[owner])


def _slide(operation: np.ufunc, values: NDArray[np.uint64], width: int) -> NDArray[np.uint64]:
    """The smallest (or greatest) of every `width` values in a row."""
    done = 1
    while done < width:
        step = min(done, width - done)
        values = operation(values[: len(values) - step], values[step:])
        done += step
    return values
