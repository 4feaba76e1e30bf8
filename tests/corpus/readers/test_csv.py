from pathlib import Path

import pytest

from adapt.corpus.draft import Draft, Rejected
from adapt.errors import InputError
from adapt.spec.corpus import Limits
from tests.corpus.readers.reads import asked, read


def test_csv_locators_are_physical_lines(tmp_path: Path) -> None:
    first, second = read(tmp_path / "a.csv", '\nquestion,answer,topic\n"Q, one?","two ""quoted""\nlines",x\n\nQ2?,A2,x\n')
    assert (first.locator, *asked(first)) == ("line 3", "Q, one?", "", 'two "quoted"\nlines')
    assert (second.locator, *asked(second)) == ("line 6", "Q2?", "", "A2")


@pytest.mark.parametrize(
    "header",
    ["question,answer", "Prompt;Response", "INSTRUCTION\tcompletion", "问题,答案", "topic,指令,输出", "\ufeffQuestion, Output ", '"问题";"回答"'],
)
def test_csv_columns_and_delimiter_are_recognised(tmp_path: Path, header: str) -> None:
    mark = next(mark for mark in "\t;," if mark in header)
    cells = ["pad"] * (header.count(mark) - 1) + ["What, really?", "An answer; long."]
    (draft,) = read(tmp_path / "a.csv", header + "\r\n" + mark.join(f'"{cell}"' for cell in cells) + "\r\n")
    assert asked(draft) == ("What, really?", "", "An answer; long.")


def test_csv_columns_named_by_the_spec_win(tmp_path: Path) -> None:
    fields = {"instruction": "asked", "input": {"join": ["facts", "a.b"], "separator": "; "}, "label": "topic"}
    (draft,) = read(tmp_path / "a.csv", "question,asked,answer,context,facts,a.b,topic\nwrong,right?,That.,no,yes,dotted,T\n", fields=fields)
    assert asked(draft) == ("right?", "yes; dotted", "That.")
    assert isinstance(draft, Draft)
    assert draft.label == "T"


def test_csv_without_a_named_column_is_an_input_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.fields\.instruction: a\.csv has no column 'Q'\nhint: its columns are q, a"):
        read(tmp_path / "a.csv", "q,a\n1,2\n", fields={"instruction": "Q", "output": "reply"})


def test_malformed_csv_rows_are_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    long = "word " * 40_000
    found = read(tmp_path / "a.csv", f'question,answer\nQ1?,A1\n"Q2" x,A2\nQ3?\nQ4?,"{long}"\nQ5?,"never closed\n')
    assert [piece.locator for piece in found if isinstance(piece, Draft)] == ["line 2", "line 5"]
    assert [(piece.locator, piece.rule) for piece in found if isinstance(piece, Rejected)] == [
        ("line 3", "unreadable"),
        ("line 4", "missing_field"),
        ("line 6", "unreadable"),
    ]


def test_rows_larger_than_a_record_may_be_are_passed_over(tmp_path: Path) -> None:
    content = f"question,answer\nQ1?,A1\nQ2?,{'x' * (2 << 20)}\nQ3?,A3\n"
    first, second, third = read(tmp_path / "a.csv", content, limits=Limits(max_record_mib=1))
    assert (first.locator, second, third.locator) == (
        "line 2",
        Rejected("line 3", "too_large", "The row is larger than corpus.limits.max_record_mib."),
        "line 4",
    )


def test_the_first_of_equal_columns_is_read(tmp_path: Path) -> None:
    (draft,) = read(tmp_path / "a.csv", "question,answer,answer\nQ?,first,second\n")
    assert asked(draft)[2] == "first"


def test_utf16_csv_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    (draft,) = read(tmp_path / "a.csv", "问题\t答案\n什么是现金？\t手头的钱。\n".encode("utf-16"))
    assert asked(draft)[2] == "手头的钱。"


@pytest.mark.parametrize("content", ["question,answer\n", "\n\n"])
def test_tables_without_rows_are_rejected(tmp_path: Path, content: str) -> None:
    (rejected,) = read(tmp_path / "a.csv", content)
    assert isinstance(rejected, Rejected)
    assert rejected.rule == "empty_file"
