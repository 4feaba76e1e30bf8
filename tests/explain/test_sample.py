"""Rows that a rule took, with their texts."""

import json
from pathlib import Path

import pytest

from adapt.errors import InputError
from adapt.explain.outputs import Outputs
from adapt.explain.sample import dropping_rules, sample
from tests.dataset.texts import prose
from tests.explain.conftest import make


def test_a_duplicate_is_shown_beside_its_winner(built: Outputs) -> None:
    [row] = sample(built, "near_duplicate", count=5, seed=0)
    assert row.text is not None
    assert row.winner_text is not None
    assert row.text["instruction"] == row.winner_text["instruction"]
    assert row.text["output"] != row.winner_text["output"]


def test_a_cut_record_is_shown_as_it_is_now_and_nothing_is_kept_instead(tmp_path: Path) -> None:
    template = " ".join(f"{prose((n, 'template'), 12).capitalize()}." for n in range(8))
    lines = [json.dumps({"instruction": prose((n, "q"), 9), "output": f"{prose(n, 200).capitalize()}. {template}"}) for n in range(20)]
    built = make(tmp_path, lines, passages={"action": "cut"}, near_duplicates=None, decontamination={"test_split": False})
    found = sample(built, "repeated_passage", count=50, seed=0)
    assert len(found) == 19
    for row in found:
        assert row.text is not None
        assert template not in row.text["output"]
        assert (row.winner, row.winner_text) == (None, None)


def test_a_quarantined_row_has_a_reason_and_no_text(built: Outputs) -> None:
    [row] = sample(built, "invalid_json", count=5, seed=0)
    assert (row.locator, row.text) == ("line 26", None)
    assert "not valid JSON" in row.reason


def test_edited_rows_can_be_sampled(built: Outputs) -> None:
    [row] = sample(built, "mask_email", count=5, seed=0)
    assert row.text is not None
    assert "[EMAIL]" in row.text["output"]


def test_a_rule_that_touched_nothing_is_an_error_that_names_the_others(built: Outputs) -> None:
    with pytest.raises(InputError, match=r"(?s)'too_long' touched no row of faq.*near_duplicate, too_short"):
        sample(built, "too_long", count=5, seed=0)


def test_the_rules_that_dropped_are_listed(built: Outputs) -> None:
    assert dropping_rules(built) == ["exact_duplicate", "near_duplicate", "too_short"]
