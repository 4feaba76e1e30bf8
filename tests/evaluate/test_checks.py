"""Checks: words that an answer must, or must not, contain."""

import pytest
from pydantic import ValidationError

from adapt.evaluate.answers import objections
from adapt.spec.evaluate import Check


def test_check_ignores_case_width_and_line_breaks() -> None:
    check = Check(prompt="?", must_contain=("net asset VALUE", "straße", "债券ＡＢＣ"))
    assert objections(check, "The Net Asset\n  value; STRASSE; 债券abc。") == []


def test_check_names_every_word_that_lacks_or_is_too_much() -> None:
    check = Check(prompt="?", must_contain=("interest", "principal"), must_not_contain=("guaranteed", "保本"))
    assert objections(check, "Interest is GUARANTEED，保本。") == ["lacks 'principal'", "says 'guaranteed'", "says '保本'"]


def test_check_on_nothing_but_spaces_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 character"):
        Check(prompt="?", must_not_contain=("  ",))
