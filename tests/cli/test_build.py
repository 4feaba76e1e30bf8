"""What `adapt build` says of the data sets it made."""

import pytest

from adapt.cli.build import account_lines

REPORT = {"records": 60, "candidates": 100, "splits": {"train": {"records": 60}}}


def lines(dropped: dict[str, int]) -> list[str]:
    return account_lines({"name": "desk", "dataset": REPORT | {"dropped": dropped}, "exports": {}})


def test_a_rule_that_took_a_quarter_is_named_with_what_would_keep_more() -> None:
    assert lines({"too_short": 25, "near_duplicate": 15}) == [
        "desk: 60 of 100 records kept (60 train)",
        "desk: 25 of them went as too_short; to keep more: lower dataset.lengths.min_output_words, or add sources",
    ]


@pytest.mark.parametrize("dropped", [{"too_short": 24, "too_long": 16}, {}])
def test_lesser_losses_stand_in_the_funnel_alone(dropped: dict[str, int]) -> None:
    assert lines(dropped) == ["desk: 60 of 100 records kept (60 train)"]
