"""Mixes the training split: how often each record is taken, so that sources, labels, languages or licences come in the shares that are wanted.

Records of one class are taken in the order of a digest of the seed and their id: the first of that order come once more than the others, or
are all that is taken. So an added record changes the place of few others.
"""

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from math import floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.digest import digest_text
from adapt.errors import InputError
from adapt.records import Shape
from adapt.spec.dataset import Mixing

log = logging.getLogger(__name__)
_SHOWN = 8


class Share(Shape):
    """What mixing made of one class: of a source, label, language or licence, or of what a pattern matches."""

    name: str
    available: int
    """Training records of the class."""
    wanted: float
    """Share that was asked for."""
    reached: float
    """Share of the lines."""
    lines: int
    """Lines that it has: records, repeats counted."""
    left_out: int
    """Records that no line has."""


class Mix(NamedTuple):
    """How often each record is taken, and what that makes."""

    repeats: NDArray[np.int32]
    shares: tuple[Share, ...]
    missing: int
    """Lines fewer than `size` asks for."""


def mix(ids: Sequence[str], values: Sequence[str], mixing: Mixing, seed: int) -> Mix:
    """Repeats of each training record, 0 for one that is left out; `values` has the source (label, ...) of each.

    A class is what a name in `weights` matches: exact names before patterns, longer patterns before shorter ones, then by name; what none matches
    is a class for each value, of weight 1.
    Without `size` there are as many lines as bring the classes to their shares with nothing left out, or fewer where a class would have to be
    repeated more than `max_repeats` times; with a `size` that cannot be reached there are as many as can be, and a warning. Counts are exact, by
    largest remainder. Raises InputError for a weight that matches nothing, and
    when nothing is left.
    """
    if not len(ids):
        return Mix(np.zeros(0, dtype=np.int32), (), mixing.size or 0)
    names, members = _classify(values, mixing)
    available = [min(len(numbers), mixing.cap or len(numbers)) for numbers in members]
    weights = [mixing.weights.get(name, 1.0) for name in names] if mixing.weights else [float(count) for count in available]
    if not any(weights):
        raise InputError("every weight in dataset.mixing.weights is 0: no training record would be left", hint="give one of them a weight above 0")
    wanted = [weight / sum(weights) for weight in weights]
    repeated = [count * mixing.max_repeats if share else 0 for count, share in zip(available, wanted, strict=True)]
    most = [min(count, mixing.cap or count) for count in repeated]
    lines = _allot(_size(available, most, wanted, mixing), wanted, most)
    repeats = np.zeros(len(ids), dtype=np.int32)
    for numbers, count, target in zip(members, available, lines, strict=True):
        _take(repeats, numbers, ids, count, target, seed)
    total = sum(lines)
    missing = max((mixing.size or 0) - total, 0)
    if missing:
        log.warning("dataset.mixing.size: %d lines instead of %d: cap and max_repeats allow no more of %d records", total, mixing.size, len(ids))
    shares = (
        Share(
            name=name,
            available=len(numbers),
            wanted=round(share, 6),
            reached=round(count / total, 6),
            lines=count,
            left_out=int((repeats[numbers] == 0).sum()),
        )
        for name, numbers, share, count in zip(names, members, wanted, lines, strict=True)
    )
    return Mix(repeats, tuple(shares), missing)


def _classify(values: Sequence[str], mixing: Mixing) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Names of the classes, sorted, and the records of each."""
    narrowest_first = sorted(mixing.weights, key=lambda name: (any(mark in name for mark in "*?["), -len(name), name))
    found: dict[str, str] = {}
    for value in sorted(set(values)):
        found[value] = next((name for name in narrowest_first if name == value or fnmatchcase(value, name)), value)
    unmatched = [name for name in mixing.weights if name not in found.values()]
    if unmatched:
        several = sorted(found)
        hint = f"training records have: {', '.join(name or '(none)' for name in several[:_SHOWN])}{' ...' if len(several) > _SHOWN else ''}"
        raise InputError(f"dataset.mixing.weights: no {mixing.by} of the training records matches {unmatched[0]!r}", hint=hint)
    names = sorted(set(found.values()))
    places = {name: place for place, name in enumerate(names)}
    classes = np.array([places[found[value]] for value in values], dtype=np.int64)
    order = np.argsort(classes, kind="stable")
    return names, np.split(order, np.searchsorted(classes[order], np.arange(1, len(names))))


def _size(available: Sequence[int], most: Sequence[int], wanted: Sequence[float], mixing: Mixing) -> int:
    """Lines in all."""
    if mixing.size is not None:
        return mixing.size
    if not mixing.weights:
        return sum(available)
    classes = [(count, limit, share) for count, limit, share in zip(available, most, wanted, strict=True) if share]
    complete = max(count / share for count, _, share in classes)
    reachable = min(limit / share for _, limit, share in classes)
    return max(1, floor(min(complete, reachable) + 1e-9))


def _allot(size: int, wanted: Sequence[float], most: Sequence[int]) -> list[int]:
    """Lines of each class: `size` of them by share, rounded by largest remainder; what a class cannot take goes to the others."""
    lines = [0] * len(wanted)
    open_classes = [place for place, share in enumerate(wanted) if share]
    left = size
    while open_classes:
        total = sum(wanted[place] for place in open_classes)
        exact = {place: left * wanted[place] / total for place in open_classes}
        full = [place for place in open_classes if exact[place] >= most[place]]
        if not full:
            rounded = {place: floor(share) for place, share in exact.items()}
            by_remainder = sorted(open_classes, key=lambda place: (rounded[place] - exact[place], place))
            for place in by_remainder[: left - sum(rounded.values())]:
                rounded[place] += 1
            for place, count in rounded.items():
                lines[place] = count
            break
        for place in full:
            lines[place] = most[place]
            left -= most[place]
        open_classes = [place for place in open_classes if exact[place] < most[place]]
    return lines


def _take(repeats: NDArray[np.int32], numbers: NDArray[np.int64], ids: Sequence[str], count: int, target: int, seed: int) -> None:
    """Spread `target` lines over the first `count` records of a class."""
    if target == len(numbers) == count:
        repeats[numbers] = 1
        return
    order = sorted(numbers.tolist(), key=lambda number: digest_text("mixing", str(seed), ids[number]))[:count]
    once, more = divmod(target, count)
    repeats[order] = once
    repeats[order[:more]] += 1
