import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


SHARE_PAIRS = st.tuples(st.floats(0.001, 0.499), st.floats(0.001, 0.499)).filter(lambda pair: sum(pair) <= 0.6)
GROUP_SIZES = st.lists(st.sampled_from([1, 1, 2, 3, 5, 10, 50]), min_size=3, max_size=12)


def total(of: list[Group]) -> int:
    return sum(group.size for group in of)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 1, 2, 5, 50]), st.sampled_from("abc")), min_size=3, max_size=12), SHARE_PAIRS, st.integers(0, 3))
def test_no_split_is_empty_whatever_the_groups(drawn: list[tuple[int, str]], pair: tuple[float, float], seed: int) -> None:
    described = [Group(f"{number:03}", size, stratum) for number, (size, stratum) in enumerate(drawn)]
    assigned = assign_splits(described, Split(validation=pair[0], test=pair[1]), seed)
    assert set(assigned) == {"train", "validation", "test"}
    for stratum, count in Counter(group.stratum for group in described).items():
        if count >= 3:
            splits = {split for group, split in zip(described, assigned, strict=True) if group.stratum == stratum}
            assert splits == {"train", "validation", "test"}, stratum


def test_a_test_share_that_would_take_every_small_group_leaves_one_to_validate() -> None:
    for seed in range(10):
        assert sizes(groups([10, 1, 1]), seed, Split(test=0.45, validation=0.01)) == {"train": 10, "validation": 1, "test": 1}


@settings(max_examples=300, deadline=None)
@given(GROUP_SIZES, SHARE_PAIRS, st.integers(0, 3))
def test_no_other_group_would_bring_a_split_nearer_to_its_share(drawn: list[int], pair: tuple[float, float], seed: int) -> None:
    """Recounted plainly: what a split lacks, against each group that it could still have taken."""
    described = groups(drawn)
    shares = Split(validation=pair[0], test=pair[1])
    assigned = assign_splits(described, shares, seed)
    by_split = {name: [group for group, split in zip(described, assigned, strict=True) if split == name] for name in set(assigned)}
    records, largest = total(described), max(group.size for group in described)
    scale = min(1, (records - largest) / ((shares.test + shares.validation) * records))
    free = list(by_split["train"])
    free.remove(next(group for group in free if group.size == largest))  # the largest trains, whatever the shares
    for split, share, others in (("validation", shares.validation, free), ("test", shares.test, [*free, *by_split["validation"]])):
        lacking = share * records * scale - total(by_split[split])
        if split == "validation" or len(others) > 1:  # one group is left for validation
            nearest = min((abs(lacking - group.size) for group in others), default=abs(lacking))
            assert abs(lacking) <= nearest + 1e-9, split
        if lacking < 0:  # too many by less than half of a group, or a single group that is the smallest
            smallest = min(group.size for group in [*others, *by_split[split]])
            assert -2 * lacking <= max(group.size for group in by_split[split]) + 1e-9 or [group.size for group in by_split[split]] == [smallest]


def test_a_stratum_that_must_give_too_much_is_made_up_for_by_a_larger_one() -> None:
    small = [group for number in range(10) for group in groups([1] * 3, f"s{number}")]
    counts = sizes([*small, *groups([1] * 100, "large")])
    assert counts == {"train": 104, "validation": 13, "test": 13}


def test_strata_too_small_for_three_splits_still_fill_them_with_their_smallest_groups() -> None:
    alone = [Group("b", 5, "one"), Group("a", 3, "two"), Group("d", 4, "three"), Group("c", 3, "four")]
    assert assign_splits(alone, Split(validation=0.001, test=0.001), 0) == ["train", "test", "train", "validation"]


def test_the_smallest_group_is_what_a_share_below_every_group_takes() -> None:
    for seed in range(10):
        counts = sizes(groups([9, 4, 3, 5, 8, 9, 7]), seed, Split(validation=0.001, test=0.001))
        assert counts == {"train": 38, "validation": 4, "test": 3}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 20), st.sampled_from([1, 1, 2, 5])), min_size=3, max_size=20), SHARE_PAIRS, st.integers(0, 3))
def test_by_time_splits_follow_each_other_and_stop_where_the_next_group_would_overshoot(
    drawn: list[tuple[int, int]], pair: tuple[float, float], undated: int
) -> None:
    described = [Group(f"{number:03}", size, newest=day) for number, (day, size) in enumerate(drawn)]
    shares = Split(by="time", validation=pair[0], test=pair[1])
    described += [Group(f"x{number}", 1) for number in range(undated if total(described) >= (sum(pair) * (total(described) + 3)) else 0)]
    assigned = assign_splits(described, shares, 0)
    assert set(assigned) == {"train", "validation", "test"}
    order = sorted((group for group in described if group.newest is not None), key=lambda group: (group.newest, group.smallest_id), reverse=True)
    split_of = dict(zip((group.smallest_id for group in described), assigned, strict=True))
    names = [split_of[group.smallest_id] for group in order]
    tests, validates = names.count("test"), names.count("validation")
    assert names == ["test"] * tests + ["validation"] * validates + ["train"] * (len(names) - tests - validates)
    records = total(described)
    for first, count, share, spare in ((0, tests, shares.test, 2), (tests, validates, shares.validation, 1)):
        lacking = share * records - total(order[first : first + count])
        if count > 1:  # without its last group it lacked more
            assert abs(lacking) < abs(lacking + order[first + count - 1].size)
        following = order[first + count :]
        if len(following) > (1 if spare == 2 else 0) and len(described) - first - count > spare:
            assert abs(lacking) <= abs(lacking - following[0].size)


def test_by_time_shares_that_dated_records_just_fill_are_met() -> None:
    assigned = assign_splits(dated([1, 2, 3, 4, None, None, None, None]), Split(by="time", validation=0.25, test=0.25), 0)
    assert assigned == ["validation"] * 2 + ["test"] * 2 + ["train"] * 4
