"""Runs of units that a text shares with texts before it, found from anchors and verified unit by unit.

Enters: texts with their anchors, best first. Leaves: for each the runs that earlier texts hold, as far as they reach to both sides.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_TEXTS_HELD = 4096
_HOLDERS = 16


class Run(NamedTuple):
    """Units that are also in an earlier text."""

    begin: int
    end: int
    holder: int
    """Number of the earlier text."""


class RunSearch:
    """Compares texts with those that were kept before. `units_of` gives the unit hashes of a text by its number.

    Of an anchor the first 16 texts are remembered that hold it without a run of `shortest` units in common; further ones are not found by it.
    """

    def __init__(self, units_of: Callable[[int], NDArray[np.uint64]]) -> None:
        self._units_of = units_of
        self._held: OrderedDict[int, NDArray[np.uint64]] = OrderedDict()
        self._holders: dict[int, list[tuple[int, int]]] = {}

    def find(self, number: int, anchors: Sequence[tuple[int, int]], shortest: int) -> list[Run]:
        """The longest runs around the anchors of text `number`, each a unit and a key, ascending."""
        runs: list[Run] = []
        for unit, key in anchors:
            if runs and unit < runs[-1].end:
                continue
            found = [self._extend(number, unit, holder, other) for holder, other in self._holders.get(key, ())]
            long = [run for run in found if run.end - run.begin >= shortest]
            if long:
                runs.append(max(long, key=lambda run: (run.end - run.begin, -run.holder)))
        return runs

    def keep(self, number: int, anchors: Sequence[tuple[int, int]], runs: Sequence[Run]) -> None:
        """Remember text `number` for what stands in no earlier one."""
        for unit, key in anchors:
            if not any(run.begin <= unit < run.end for run in runs):
                holders = self._holders.setdefault(key, [])
                if len(holders) < _HOLDERS and (not holders or holders[-1][0] != number):
                    holders.append((number, unit))

    def _extend(self, number: int, unit: int, holder: int, other: int) -> Run:
        """The run through a unit of two texts; empty when the units differ."""
        own, their = self._units(number), self._units(holder)
        back, ahead = min(unit, other), min(len(own) - unit, len(their) - other)
        before = _alike(own[unit - back : unit][::-1], their[other - back : other][::-1])
        after = _alike(own[unit : unit + ahead], their[other : other + ahead])
        return Run(unit - before, unit + after, holder)

    def _units(self, number: int) -> NDArray[np.uint64]:
        units = self._held.get(number)
        if units is None:
            units = self._held[number] = self._units_of(number)
            if len(self._held) > _TEXTS_HELD:
                self._held.popitem(last=False)
        return units


def merge(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The runs with those that overlap joined, ascending."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(runs):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _alike(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> int:
    """How many units are the same from the start."""
    differ = one != other
    return int(np.argmax(differ)) if differ.any() else len(one)
