from collections import Counter

import numpy as np
import pytest

from adapt.artifact.digest import digest_text
from adapt.dataset.mixing import Mix, mix
from adapt.errors import InputError
from adapt.spec.dataset import Mixing


def mixed(counts: dict[str, int], seed: int = 0, **settings: object) -> tuple[Mix, Counter[str]]:
    values = [name for name, count in counts.items() for _ in range(count)]
    ids = [digest_text(name, str(place)) for place, name in enumerate(values)]
    found = mix(ids, values, Mixing.model_validate(settings), seed)
    lines: Counter[str] = Counter()
    for value, repeats in zip(values, found.repeats.tolist(), strict=True):
        lines[value] += repeats
    return found, lines


def test_without_weights_everything_is_taken_once() -> None:
    found, lines = mixed({"a.csv": 5, "b.csv": 7})
    assert found.repeats.tolist() == [1] * 12
    assert lines == {"a.csv": 5, "b.csv": 7}
    assert [(share.name, share.wanted, share.reached) for share in found.shares] == [("a.csv", 0.416667, 0.416667), ("b.csv", 0.583333, 0.583333)]


def test_a_scarce_source_is_repeated_to_reach_its_weight() -> None:
    found, lines = mixed({"a": 30, "b": 10}, weights={"a": 1, "b": 1})
    assert lines == {"a": 30, "b": 30}
    assert set(found.repeats.tolist()) == {1, 3}


def test_most_repeats_bound_the_size_and_the_rest_is_left_out() -> None:
    found, lines = mixed({"a": 100, "b": 10}, weights={"a": 1, "b": 1}, max_repeats=2)
    assert lines == {"a": 20, "b": 20}
    assert [share.left_out for share in found.shares] == [80, 0]
    assert mixed({"a": 100, "b": 10}, weights={"a": 1, "b": 1}, max_repeats=1)[1] == {"a": 10, "b": 10}


def test_counts_are_exact_by_largest_remainder() -> None:
    _, lines = mixed({"a": 50, "b": 50, "c": 50}, weights={"a": 1, "b": 1, "c": 1}, size=100)
    assert lines == {"a": 34, "b": 33, "c": 33}
    assert mixed({"a": 50, "b": 50, "c": 50}, weights={"a": 1, "b": 2.5, "c": 1.5}, size=51)[1] == {"a": 10, "b": 26, "c": 15}


def test_what_a_class_cannot_give_the_others_make_up() -> None:
    found, lines = mixed({"a": 10, "b": 100}, weights={"a": 1, "b": 1}, size=100, max_repeats=2)
    assert lines == {"a": 20, "b": 80}
    assert [(share.wanted, share.reached) for share in found.shares] == [(0.5, 0.2), (0.5, 0.8)]
    assert sum(mixed({"a": 2, "b": 3}, weights={"a": 1}, size=1000)[1].values()) == 20


def test_a_cap_bounds_the_lines_of_a_class() -> None:
    assert mixed({"a": 30, "b": 10}, cap=12)[1] == {"a": 12, "b": 10}
    assert mixed({"a": 30, "b": 10}, cap=12, weights={"a": 1, "b": 1}, size=40)[1] == {"a": 12, "b": 12}


def test_patterns_make_one_class_and_exact_names_come_first() -> None:
    found, lines = mixed({"web/a": 10, "web/b": 20, "book": 30}, weights={"web/*": 1, "web/b": 2, "book": 1})
    assert [(share.name, share.available) for share in found.shares] == [("book", 30), ("web/*", 10), ("web/b", 20)]
    assert lines["web/b"] == lines["web/a"] + lines["book"]


@pytest.mark.parametrize("patterns", [["web/*", "web/new/*", "*"], ["*", "web/new/*", "web/*"]])
def test_of_several_patterns_the_longest_counts_whatever_their_order(patterns: list[str]) -> None:
    found, _ = mixed({"web/new/a": 4, "web/b": 5, "book": 6}, weights=dict.fromkeys(patterns, 1))
    assert [(share.name, share.available) for share in found.shares] == [("*", 6), ("web/*", 5), ("web/new/*", 4)]


def test_a_size_out_of_reach_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    found, lines = mixed({"a": 5, "b": 3}, size=1000)
    assert found.missing == 968
    assert lines == {"a": 20, "b": 12}
    assert "32 lines instead of 1000: cap and max_repeats allow no more of 8 records" in caplog.text
    caplog.clear()
    mixed({"a": 5, "b": 3}, size=32)
    assert caplog.text == ""


def test_what_no_weight_matches_counts_one() -> None:
    assert mixed({"a": 10, "b": 10, "c": 10}, weights={"a": 2}, size=40)[1] == {"a": 20, "b": 10, "c": 10}


def test_a_weight_of_zero_leaves_a_class_out() -> None:
    found, lines = mixed({"a": 10, "b": 10}, weights={"a": 0})
    assert lines == {"a": 0, "b": 10}
    assert found.shares[0].left_out == 10


def test_a_weight_that_matches_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"no source of the training records matches 'boks/\*'") as caught:
        mixed({"books/a": 3, "web": 3}, weights={"boks/*": 2})
    assert caught.value.hint == "training records have: books/a, web"


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(InputError, match="every weight"):
        mixed({"a": 3}, weights={"a": 0})


def test_the_seed_chooses_and_an_added_record_changes_little() -> None:
    ids = [digest_text(str(number)) for number in range(500)]
    settings = Mixing(size=200)
    before = mix(ids, ["a"] * 500, settings, 0).repeats
    assert before.sum() == 200
    assert (before != mix(ids, ["a"] * 500, settings, 1).repeats).any()
    after = mix([*ids, digest_text("new")], ["a"] * 501, settings, 0).repeats
    assert int(np.abs(after[:500] - before).sum()) <= 1


def test_no_records_make_no_mix() -> None:
    assert mixed({})[0].shares == ()
