"""Letters and digits are counted alike whichever way is fastest."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.text.letters import count_letters, count_letters_each, count_letters_of

BELOW = st.text(st.characters(max_codepoint=0x3FFFF, exclude_categories=["Cs"]), max_size=400)


@given(BELOW)
def test_a_text_has_the_letters_and_digits_that_python_says(text: str) -> None:
    assert count_letters(text) == sum(character.isalnum() for character in text)


@given(st.lists(BELOW, max_size=6))
def test_a_column_is_counted_at_once(texts: list[str]) -> None:
    wanted = [sum(character.isalnum() for character in text) for text in texts]
    assert count_letters_each(texts) == wanted
    assert count_letters_of(pa.array([*texts, None], pa.string())) == sum(wanted)


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), (" -|#\n", 0), ("a-1", 2), ("第一条 2%", 4), ("½ ² ٣", 3), ("e\u0301", 1), ("😀", 0), ("\ud800a", 1)]
)
@pytest.mark.parametrize("times", [1, 300])
def test_known_texts(text: str, count: int, times: int) -> None:
    assert count_letters(text * times) == count * times
