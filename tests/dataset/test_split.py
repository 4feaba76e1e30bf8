import random
from collections import Counter

import pytest

from adapt.dataset.split import Group, assign_splits
from adapt.errors import InputError
from adapt.spec.dataset import Split

SHARES = Split()


def groups(sizes: list[int], stratum: str = "en", prefix: str = "") -> list[Group]:
    return [Group(f"{prefix}{stratum}{number:06}", size, stratum) for number, size in enumerate(sizes)]


def dated(days: list[int | None], size: int = 1) -> list[Group]:
    return [Group(f"{number:06}", size, newest=day) for number, day in enumerate(days)]


def sizes(found: list[Group], seed: int = 0, shares: Split = SHARES) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group, split in zip(found, assign_splits(found, shares, seed), strict=True):
        counts[split] += group.size
    return counts


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_met_when_groups_are_small(seed: int) -> None:
    assert sizes(groups([1] * 200), seed) == {"train": 160, "validation": 20, "test": 20}


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_nearly_met_with_groups_of_many_sizes(seed: int) -> None:
    rng = random.Random(seed)
    found = groups([rng.choice([1, 1, 2, 5, 9]) for _ in range(100)])
    total = sum(group.size for group in found)
    counts = sizes(found, seed)
    assert abs(counts["test"] - total / 10) <= 1
    assert abs(counts["validation"] - total / 10) <= 1


def test_a_long_document_does_not_swallow_a_split() -> None:
    for seed in range(20):
        counts = sizes(groups([100, *[1] * 100]), seed)
        assert counts == {"train": 160, "validation": 20, "test": 20}


def test_what_a_huge_document_leaves_is_shared() -> None:
    assert sizes(groups([10_000, *[1] * 100])) == {"train": 10_000, "validation": 50, "test": 50}


def test_every_stratum_is_in_every_split() -> None:
    found = [*groups([2] * 300), *groups([1] * 4, "zh")]
    assigned = assign_splits(found, SHARES, 0)
    assert {split for group, split in zip(found, assigned, strict=True) if group.stratum == "zh"} == {"train", "validation", "test"}
    assert abs(sizes(found)["test"] - 60) <= 2


@pytest.mark.parametrize(
    "found", [groups([1, 1, 1]), groups([50, 1, 2]), [*groups([9, 1]), *groups([5, 1], "zh")], [*groups([5, 5]), *groups([4], "zh")]]
)
def test_no_split_is_empty_with_three_groups(found: list[Group]) -> None:
    for seed in range(10):
        assert set(assign_splits(found, SHARES, seed)) == {"train", "validation", "test"}


@pytest.mark.parametrize(("count", "said"), [(0, "0 groups"), (1, "1 group "), (2, "2 groups")])
def test_fewer_than_three_groups_are_refused(count: int, said: str) -> None:
    with pytest.raises(InputError, match=f"the records form {said}") as caught:
        assign_splits(groups([20] * count), SHARES, 0)
    assert "add sources, or divide long files" in str(caught.value)


def test_added_records_move_few_others() -> None:
    before = groups([1] * 500)
    after = [*before, *groups([1] * 25, prefix="new")]
    first, second = assign_splits(before, SHARES, 3), assign_splits(after, SHARES, 3)
    moved = sum(one != other for one, other in zip(first, second, strict=False))
    assert moved <= 10
    assert not any({one, other} == {"validation", "test"} for one, other in zip(first, second, strict=False))


def test_order_of_groups_does_not_matter_and_the_seed_does() -> None:
    found = groups([1, 2, 3] * 30)
    backwards = assign_splits(found[::-1], SHARES, 0)[::-1]
    assert assign_splits(found, SHARES, 0) == backwards
    assert assign_splits(found, SHARES, 0) != assign_splits(found, SHARES, 1)


def test_shares_are_the_specs() -> None:
    assert sizes(groups([1] * 100), shares=Split(validation=0.2, test=0.4)) == {"train": 40, "validation": 20, "test": 40}


@pytest.mark.parametrize("seed", range(3))
def test_by_time_the_newest_test_and_the_next_validate(seed: int) -> None:
    found = dated([(number * 37) % 100 for number in range(100)])
    assigned = assign_splits(found, Split(by="time", validation=0.2, test=0.1), seed)
    newest = sorted(((group.newest or 0, split) for group, split in zip(found, assigned, strict=True)), reverse=True)
    assert [split for _, split in newest] == ["test"] * 10 + ["validation"] * 20 + ["train"] * 70


def test_by_time_records_without_a_date_train() -> None:
    found = dated([*range(1, 41), *[None] * 60])
    assigned = assign_splits(found, Split(by="time"), 0)
    assert set(assigned[40:]) == {"train"}
    assert Counter(assigned) == {"train": 80, "validation": 10, "test": 10}
    assert assigned[30:40] == ["test"] * 10


def test_by_time_the_first_moment_is_a_date_as_any_other() -> None:
    assert assign_splits(dated([0, 1, -5, 2]), Split(by="time", test=0.25, validation=0.25), 0) == ["train", "validation", "train", "test"]


def test_by_time_a_large_group_leaves_groups_for_the_other_splits() -> None:
    assert assign_splits([Group("a", 1, newest=1), Group("b", 90, newest=3), Group("c", 9, newest=2)], Split(by="time"), 0) == [
        "train",
        "test",
        "validation",
    ]
    assert assign_splits(dated([None, 2, 3]), Split(by="time"), 0) == ["train", "validation", "test"]


@pytest.mark.parametrize("days", [[None, None, None, 5], [1, 2, *[None] * 20]])
def test_by_time_needs_dates(days: list[int | None]) -> None:
    with pytest.raises(InputError, match=r"are \d of \d+: too few for a split by time") as caught:
        assign_splits(dated(days), Split(by="time"), 0)
    assert "corpus.sources[].fields.date" in str(caught.value)
