"""Assigns groups of records to train, validation and test.

Each stratum (a language, a label, or everything) is divided by itself, small ones first, and what a stratum gives too little or too much the
next one makes up. Groups stand in the order of a digest of the seed and their smallest record id, which new records do not disturb: test is
filled from the front of the order, validation from its back, and the rest trains, so that added data moves few records. A group too large
for what a split still lacks is passed over, and the largest group of a stratum always trains: a long document cannot swallow a split.

By time, the groups with the newest records test, those before them validate, and groups without a date train. A group counts as new as its
newest record, so that nothing in training is newer than what the test begins with.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

from adapt.artifact.digest import digest_text
from adapt.errors import InputError
from adapt.spec.dataset import Split

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
_HELD_OUT: tuple[SplitName, ...] = ("test", "validation")


class Group(NamedTuple):
    """Records that stay together."""

    smallest_id: str
    size: int
    stratum: str = ""
    """What every split has in the same shares."""
    newest: int | None = None
    """Newest date, in seconds of UTC; None when no record has one."""


def assign_splits(groups: Sequence[Group], shares: Split, seed: int) -> list[SplitName]:
    """The split of each group. With three groups or more no split is empty; with fewer, or with too few dates to go by, raises InputError."""
    if len(groups) < len(SPLITS):
        raise InputError(
            f"the records form {len(groups)} group{'s' if len(groups) != 1 else ''} that must stay whole, "
            "and train, validation and test need one each",
            hint="records of one document, of one question, near-duplicates and, with `dataset.split.by: group`, those of one "
            "`fields.group` stay together: add sources, or divide long files into several",
        )
    if shares.by == "time":
        return _assign_by_time(groups, shares)
    splits: list[SplitName] = ["train"] * len(groups)
    strata: dict[str, list[int]] = defaultdict(list)
    for number in sorted(range(len(groups)), key=lambda number: digest_text(str(seed), groups[number].smallest_id)):
        strata[groups[number].stratum].append(number)
    lacking: dict[SplitName, float] = dict.fromkeys(_HELD_OUT, 0.0)
    for stratum in sorted(strata, key=lambda stratum: (sum(groups[number].size for number in strata[stratum]), stratum)):
        _assign_stratum(strata[stratum], groups, shares, splits, lacking)
    _fill_empty(groups, splits)
    return splits


def _assign_by_time(groups: Sequence[Group], shares: Split) -> list[SplitName]:
    """Held-out splits from the newest group on, each as near to its share as whole groups allow."""
    records = sum(group.size for group in groups)
    dated = [number for number, group in enumerate(groups) if group.newest is not None]
    with_date = sum(groups[number].size for number in dated)
    if len(dated) < len(_HELD_OUT) or with_date < (shares.test + shares.validation) * records:
        raise InputError(
            f"records with a date, and what must stay together with them, are {with_date:,} of {records:,}: too few for a split by time",
            hint="name the field of the date in corpus.sources[].fields.date (ISO 8601), or set dataset.split.by to document",
        )
    splits: list[SplitName] = ["train"] * len(groups)
    waiting = sorted(dated, key=lambda number: (groups[number].newest or 0, groups[number].smallest_id))  # the newest last
    left = len(groups)
    held_out: tuple[tuple[SplitName, float], ...] = (("test", shares.test), ("validation", shares.validation))
    for split, share in held_out:
        lacking = share * records
        after = 1 if split == "test" else 0  # a group with a date for validation, and one of any kind to train on
        chosen = 0
        while len(waiting) > after and left > after + 1 and (not chosen or abs(lacking - groups[waiting[-1]].size) < abs(lacking)):
            number = waiting.pop()
            splits[number] = split
            lacking -= groups[number].size
            chosen, left = chosen + 1, left - 1
    return splits


def _assign_stratum(order: Sequence[int], groups: Sequence[Group], shares: Split, splits: list[SplitName], lacking: dict[SplitName, float]) -> None:
    """Choose the held-out groups of one stratum. One of at least three groups has some in every split."""
    records = sum(groups[number].size for number in order)
    enough = len(order) >= len(SPLITS)
    largest = max(order, key=lambda number: groups[number].size)
    free = [number for number in order if number != largest]
    lacking["test"] += shares.test * records
    lacking["validation"] += shares.validation * records
    scale = min(1.0, sum(groups[number].size for number in free) / max(sum(lacking.values()), 1))  # what there is goes to both in proportion
    directions: list[tuple[SplitName, int]] = [("test", 1), ("validation", -1)]
    for split, direction in directions:
        chosen = _fill(free[::direction], groups, lacking[split] * scale, keep=1 if split == "test" and enough else 0)
        if not chosen and enough:
            chosen = [min(free, key=lambda number: groups[number].size)]
        for number in chosen:
            splits[number] = split
            lacking[split] -= groups[number].size
        taken = set(chosen)
        free = [number for number in free if number not in taken]


def _fill(order: Sequence[int], groups: Sequence[Group], target: float, keep: int) -> list[int]:
    """Groups, in their order, that fit into `target` records, then the one that brings them nearest to it; `keep` groups are left over."""
    chosen: list[int] = []
    passed_over: list[int] = []
    for number in order:
        fits = groups[number].size <= target and len(chosen) < len(order) - keep
        (chosen if fits else passed_over).append(number)
        target -= groups[number].size if fits else 0
    if len(chosen) < len(order) - keep:
        nearest = min(passed_over, key=lambda number: abs(target - groups[number].size))
        if abs(target - groups[nearest].size) < abs(target):
            chosen.append(nearest)
    return chosen


def _fill_empty(groups: Sequence[Group], splits: list[SplitName]) -> None:
    """Give an empty split the smallest training group. Training keeps one: there are three groups or more."""
    for split in _HELD_OUT:
        if split not in splits:
            training = [number for number, name in enumerate(splits) if name == "train"]
            splits[min(training, key=lambda number: (groups[number].size, groups[number].smallest_id))] = split
