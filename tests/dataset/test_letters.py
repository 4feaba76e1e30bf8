import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapt.dataset.dedup import normal
from adapt.dataset.dedup.letters import LetterTable, pieces_of, read_codes
from adapt.dataset.words import count_words_of
from adapt.text.scripts import UNSPACED_CLASS
from adapt.text.words import count_words

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30) | st.text("aé \u0301\u1100\u1161\uff76\uff9e１，ﬁßΣ3.5%-_\n\0好", max_size=30)


def test_letters_are_asked_about_a_page_at_a_time_and_once() -> None:
    asked: list[str] = []

    def ask(page: str) -> list[int]:
        asked.extend(page)
        return [ord(letter) % 7 for letter in page]

    table = LetterTable(ask, np.uint8)
    assert table(read_codes("ab")).tolist() == [97 % 7, 98 % 7]
    assert sorted(asked) == [chr(code) for code in range(256)]
    table(read_codes("yz"))
    assert len(asked) == 256
    assert table(read_codes("好a")).tolist() == [0x597D % 7, 97 % 7]
    assert len(asked) == 512


@pytest.mark.parametrize(("page", "letter"), [(normal._fold_page, normal._fold_letter), (normal._class_page, normal._class_of)])
def test_pages_are_answered_as_their_letters(page: Callable[[str], list[int]], letter: Callable[[str], int]) -> None:
    for first in range(0, 0x40400, 256):
        letters = "".join(map(chr, range(first, first + 256)))
        assert page(letters) == [letter(each) for each in letters]


def test_unspaced_letters_are_those_of_the_ranges() -> None:
    found = [letter for letter in map(chr, range(0, 0x110000)) if re.match(UNSPACED_CLASS, letter)]
    assert np.flatnonzero(normal.unspaced(np.arange(0x110000, dtype=np.uint32))).tolist() == list(map(ord, found))


@given(st.lists(ANY_TEXT, max_size=4))
@example(["e\u0301", "plain", "\u0301", ""])
@example(["\u1100\u1161", "ｶﾞ", "Straße ﬁ"])
def test_texts_are_folded_as_unicode_folds_whole_texts(texts: list[str]) -> None:
    expected = "".join(normal.fold(text.replace("\0", " ")) + "\0" for text in texts)
    assert normal._fold([text.replace("\0", " ") + "\0" for text in texts]).tolist() == read_codes(expected).tolist()


@given(st.lists(st.text(st.characters(max_codepoint=127), max_size=30), max_size=4))
@example(["A-b 1,000.5%", "", "\0\x1f\x7f", "a`|~b"])
def test_ascii_is_read_as_any_text(texts: list[str]) -> None:
    ended = [text.replace("\0", " ") + "\0" for text in texts]
    for fast, any_text in zip(normal._read_ascii(ended), normal._read(ended), strict=True):
        assert fast.tolist() == any_text.tolist()


@given(st.lists(ANY_TEXT, max_size=6))
@example(["two words", "", "-- _ a_b 3", "说 two 明"])
def test_words_of_many_texts_are_counted_as_those_of_one(texts: list[str]) -> None:
    assert count_words_of(texts).tolist() == [count_words(text) for text in texts]


def test_pieces_hold_all_texts_in_order() -> None:
    texts = ["x" * 100_000, "y" * 100_000, "", "z"]
    assert [texts[part] for part in pieces_of(texts)] == [texts[:2], texts[2:]]
    assert list(pieces_of([])) == [slice(0, 0)]
