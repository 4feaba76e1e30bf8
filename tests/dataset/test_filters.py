import pytest

from adapt.dataset.filters import count_words, too_long, too_short
from adapt.dataset.formatters.question import format_question
from tests.dataset.made import question


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Yes.", 1),
        ("N/A", 1),
        ("- a  |  b -", 2),
        ("见上文。", 1.5),
        ("利率 is 3.5% 左右", 4),
        ("これは本です", 3),
        ("โลก", 1.5),
        ("한국어 단어", 2),
    ],
)
def test_words_are_counted_by_script(text: str, words: float) -> None:
    assert count_words(text) == words


def test_too_short_says_what_it_measured() -> None:
    record = format_question(question("Is it?", "Yes, it is.")).candidates[0].record
    reason = too_short(record, 4)
    assert reason is not None
    assert reason == ("too_short", 3, 4, "The answer has 3 words; at least 4 are asked for.")
    assert too_short(record, 3) is None


def test_too_long_allows_the_bound_itself() -> None:
    assert too_long(100, 100) is None
    reason = too_long(101, 100)
    assert reason is not None
    assert reason.sentence == "The conversation has 101 tokens; at most 100 are allowed."


def test_long_runs_of_marks_are_counted_at_once() -> None:
    assert count_words("*" * 1_000_000 + " -- " + "-" * 1_000_000) == 0
