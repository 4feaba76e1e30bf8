"""The search for similar records that stand on different sides."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from adapt.dataset.dedup import crossing
from adapt.dataset.dedup.crossing import crossing_pairs
from adapt.dataset.dedup.shingle_file import ShingleFile

Sets = list[np.ndarray]


def related_sets(rng: np.random.Generator, count: int, size: int, different: int) -> Sets:
    """Sets of up to `size` numbers out of `different` ones; most are an earlier one, the same or with up to half taken out and put in."""
    universe = rng.integers(0, 1 << 32, different, dtype=np.uint32)
    sets: Sets = []
    for _ in range(count):
        parent = sets[rng.integers(len(sets))] if sets else np.zeros(0, dtype=np.uint32)
        kind = rng.random()
        if kind < 0.1:
            sets.append(parent)
        elif kind < 0.6:
            kept = rng.permutation(parent)[int(rng.integers(0, len(parent) // 2 + 1)) :]
            sets.append(np.unique(np.concatenate([kept, rng.choice(universe, int(rng.integers(0, len(parent) // 2 + 1)))])))
        else:
            sets.append(np.unique(rng.choice(universe, int(rng.integers(0, size + 1)))))
    return sets


def written(path: Path, sets: Sets) -> ShingleFile:
    file = ShingleFile(path / "shingles")
    file.append(np.concatenate(sets), np.array([len(values) for values in sets]))
    file.finish()
    return file


def by_brute_force(sets: Sets, members: np.ndarray, sides: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    found = set()
    for (number, side), (other, its) in combinations(zip(members.tolist(), sides.tolist(), strict=True), 2):
        union = len(np.union1d(sets[number], sets[other]))
        shared = len(sets[number]) + len(sets[other]) - union
        if side != its and shared and shared / union >= threshold:
            found.add((min(number, other), max(number, other)))
    return found


def searched(file: ShingleFile, members: np.ndarray, sides: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    batches = crossing_pairs(file, members, sides, threshold)
    return [(min(pair), max(pair)) for left, right in batches for pair in zip(left.tolist(), right.tolist(), strict=True)]


@pytest.mark.parametrize("at_once", [40, 1 << 18])
@pytest.mark.parametrize("size", [4, 60, 500])
@pytest.mark.parametrize("threshold", [0.4, 0.7, 1.0])
def test_pairs_across_sides_are_those_that_brute_force_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threshold: float, size: int, at_once: int
) -> None:
    monkeypatch.setattr(crossing, "_PAIRS_AT_ONCE", at_once)
    rng = np.random.default_rng(size)
    sets = related_sets(rng, 90, size, 3 * size)
    members = rng.permutation(90)[:80]
    sides = rng.choice([0, 0, 0, 1, 2], 80)
    with written(tmp_path, sets) as file:
        found = searched(file, members, sides, threshold)
    assert set(found) == by_brute_force(sets, members, sides, threshold)
    assert len(found) == len(set(found)) >= 1


def test_sets_whose_shingles_look_the_same_in_the_index_are_still_told_apart(tmp_path: Path) -> None:
    one = np.arange(1, 200, dtype=np.uint32)
    other = one | np.uint32(1 << 31)  # the index knows no bit above the 27th
    with written(tmp_path, [one, other, other]) as file:
        assert searched(file, np.arange(3), np.array([0, 1, 2]), 0.7) == [(1, 2)]


def test_a_family_across_two_sides_is_found_whole_when_bitmaps_must_help(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    stem = np.unique(rng.integers(0, 1 << 32, 300, dtype=np.uint32))
    sets = [np.unique(np.append(stem, rng.integers(0, 1 << 32, 40 if number % 3 else 400, dtype=np.uint32))) for number in range(60)]
    sides = (np.arange(60) % 2).astype(np.int64)
    with written(tmp_path, sets) as file:
        found = searched(file, np.arange(60), sides, 0.7)
    assert set(found) == by_brute_force(sets, np.arange(60), sides, 0.7)
    assert len(found) == 20 * 20


def test_records_of_one_side_and_empty_ones_make_no_pairs(tmp_path: Path) -> None:
    same = np.arange(50, dtype=np.uint32)
    with written(tmp_path, [same, same, same[:0], same[:0]]) as file:
        assert searched(file, np.arange(4), np.array([1, 1, 1, 2]), 0.7) == []


def test_gathered_sets_come_in_the_order_asked_for_also_when_some_were_replaced(tmp_path: Path) -> None:
    sets = [np.arange(10 * number, 10 * number + number, dtype=np.uint32) for number in range(5)]
    with written(tmp_path, sets) as file:
        file.replace(2, np.array([7, 9], dtype=np.uint32))
        file.reopen()
        values, counts = file.gather(np.array([3, 4, 0, 2, 1, 2]))
    assert counts.tolist() == [3, 4, 0, 2, 1, 2]
    assert values.tolist() == [30, 31, 32, 40, 41, 42, 43, 7, 9, 10, 7, 9]
