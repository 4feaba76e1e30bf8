import random
from collections import Counter

import pytest

from adapt.dataset.split import Group, assign_splits
from adapt.errors import InputError
from adapt.records import Language
from adapt.spec.dataset import Split

SHARES = Split()


def groups(sizes: list[int], language: Language = "en", prefix: str = "") -> list[Group]:
    return [Group(f"{prefix}{language}{number:06}", size, language) for number, size in enumerate(sizes)]


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


def test_every_language_is_in_every_split() -> None:
    found = [*groups([2] * 300), *groups([1] * 4, "zh")]
    assigned = assign_splits(found, SHARES, 0)
    assert {split for group, split in zip(found, assigned, strict=True) if group.language == "zh"} == {"train", "validation", "test"}
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
