import pytest

from adapt.corpus.readers.dates import iso_date
from adapt.corpus.readers.paths import Several
from adapt.corpus.readers.texts import as_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" a ", "a"),
        (None, ""),
        (True, "true"),
        (42, "42"),
        (-12.6, "-12.6"),
        (10**20, "100000000000000000000"),
        (float("nan"), ""),
        (float("inf"), ""),
        ({"a": 1}, ""),
        ([], ""),
        (["a", None, "b"], "a\nb"),
        ([[], []], ""),
        ([{"type": "text", "text": "U"}, {"type": "image_url"}], "U"),
        ([["", "2019"], ["Sales", 5], ["a|b\nc"]], "|  | 2019 |\n| --- | --- |\n| Sales | 5 |\n| a\\|b c |  |"),
        (Several([[["k"], ["v"]], "text"]), "| k |\n| --- |\n| v |\ntext"),
    ],
)
def test_values_are_text(value: object, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["fixed-price type", "other"], "fixed-price type, other"),
        (["First do this.", "Then that."], "First do this.\nThen that."),
        (["先打开。", "再关上。"], "先打开。\n再关上。"),
        (["a\nb", "c"], "a\nb\nc"),
    ],
)
def test_answers_of_several_phrases_stand_side_by_side_and_sentences_on_lines(value: list[str], text: str) -> None:
    assert as_text(value, phrases=True) == text


def test_lists_without_end_are_no_text() -> None:
    value: list[object] = ["deep"]
    for _ in range(50):
        value = [value]
    assert as_text(value) in ("", "|  |\n| --- |")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024", "2024"),
        ("2024年", "2024"),
        ("2024-5", "2024-05"),
        ("2024/1/31", "2024-01-31"),
        ("2024年1月3日", "2024-01-03"),
        ("20240131", "2024-01-31"),
        ("January 5, 2020", "2020-01-05"),
        ("5th Mar 2020", "2020-03-05"),
        ("Mar 2020", "2020-03"),
        ("2024-01-31T12:00:00+02:00", "2024-01-31T10:00:00Z"),
        ("2024-01-31 12:00", "2024-01-31T12:00:00"),
        ("Wed, 31 Jan 2024 12:00:00 GMT", "2024-01-31T12:00:00Z"),
        ("3/4/2024", ""),
        ("2024-02-31", ""),
        ("0001-01-01T00:00:00+14:00", ""),
        ("soon", ""),
        ("", ""),
    ],
)
def test_dates_become_iso_8601_or_nothing(text: str, iso: str) -> None:
    assert iso_date(text) == iso
