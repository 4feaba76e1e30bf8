"""Tables as text in every dialect, held against Python's own writer and against rows written by hand."""

import csv
import io
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.corpus.readers.lines import bounded_lines
from adapt.corpus.readers.rows import Fault, Rows
from adapt.corpus.readers.survey import survey_table

LIMIT = 1 << 20
HEADER = ("question", "answer", "label")


def known(names: Sequence[str]) -> int:
    return sum(name.strip("\"'\ufeff ") in HEADER for name in names)


def rows_of(text: str) -> list[list[str]]:
    """Every row that is read, header included. None may be at fault."""
    survey = survey_table(bounded_lines(io.StringIO(text, newline=""), LIMIT), LIMIT, known, ())
    rows = Rows(bounded_lines(io.StringIO(text, newline=""), LIMIT), survey.dialect, LIMIT, suspect=survey.suspect)
    read: list[list[str]] = []
    for row in rows:
        assert not isinstance(row, Fault), row
        read.append(row.cells)
        rows.layout = rows.layout or survey.layout
    return read


def written(rows: Sequence[Sequence[str]], **dialect: Any) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, **dialect).writerows(rows)
    return file.getvalue()


words = st.text(st.sampled_from("abcde fgh 电话。.,;?|'’\t\"\n-#"), min_size=1, max_size=40).map(lambda text: f"x{text}x")
tables = st.lists(st.tuples(words, words, words), min_size=1, max_size=12)
"""Cells with delimiters, quotes and line ends in them."""
WITNESS = [("How is it said?", 'He said "so", they say', "a"), ("And with lines?", "One line, and\nanother\n", "b")] * 5
"""Rows that show how their writer quotes."""
DIALECTS: list[dict[str, Any]] = [
    {"delimiter": delimiter, "quoting": quoting, "lineterminator": end, **escape}
    for delimiter in ",;\t|"
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
    for end in ("\r\n", "\n", "\r")
    for escape in ({}, {"doublequote": False, "escapechar": "\\"}, {"quotechar": "'"})
]


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(table=tables)
def test_what_a_writer_writes_is_read_back(dialect: dict[str, Any], table: list[tuple[str, ...]]) -> None:
    end = "\r" if dialect["lineterminator"] == "\r" else "\n"  # Python 3.11 leaves a line feed without quotes where lines end otherwise
    rows = [HEADER, *[tuple(cell.replace("\n", end) for cell in row) for row in [*WITNESS, *table]]]
    assert rows_of(written(rows, **dialect)) == [list(row) for row in rows]


@pytest.mark.parametrize("delimiter", ",;\t|")
@settings(max_examples=40, deadline=None, derandomize=True)
@given(table=st.lists(st.tuples(*[st.text(st.sampled_from("ab 话.\"'\\,;|\t"), min_size=1).map(lambda text: f"x{text}")] * 3), min_size=3))
def test_tables_without_quoting_are_read_as_they_stand(delimiter: str, table: list[tuple[str, ...]]) -> None:
    plain = [tuple(cell.replace(delimiter, "").replace("\\", "").replace("'", "") for cell in row) for row in table]
    text = "".join(delimiter.join(row) + "\n" for row in [HEADER, *plain])
    assert rows_of(text) == [list(row) for row in [HEADER, *plain]]


CODE = [
    "def read(path):", '    """Reads a file, and says so."""', "    names = ['a', \"b\"]", "    return open(path).read()", "",
    "# A heading, with commas; and more",
    "| a | b |", "| --- | --- |", "x = \"C:\\\\new\\n\", y", "It isn't so, is it?", "Well,\tthen", "a;b;c", "one,two",
]  # fmt: skip
"""Lines of programs and of Markdown."""


@pytest.mark.parametrize(("count", "columns"), [(3, 2), (3, 3), (40, 2), (40, 3), (2500, 3)])
@pytest.mark.parametrize(
    "dialect", [each for each in DIALECTS if each["lineterminator"] == "\n" and each["quoting"] != csv.QUOTE_NONNUMERIC], ids=str
)
def test_cells_of_code_are_read_back_whatever_their_lines_look_like(dialect: dict[str, Any], count: int, columns: int) -> None:
    choice = random.Random(count)
    cells = ["\n".join(choice.choices(CODE, k=choice.randrange(4, 60))) + f'\nsaid "{number}, so"' for number in range(count)]
    rows = [list(HEADER[:columns]), *[[f"What does it say of {number}?", cell, "x"][:columns] for number, cell in enumerate(cells)]]
    assert rows_of(written(rows, **dialect)) == rows


@pytest.mark.parametrize("delimiter", ",;\t|")
@pytest.mark.parametrize("share", [0.002, 0.02, 0.2])
def test_stray_quotes_cost_no_row_but_their_own(delimiter: str, share: float) -> None:
    choice = random.Random(7)
    lines, whole = [], []
    for number in range(2000):
        asked = f"What is said of {number}?"
        said = (
            f'He said "so"{delimiter} they say, of {number}' if number % 3 == 0 else f"First line of {number}\nand another" if number % 3 == 1 else ""
        )
        answer = said or f"Nothing but {number}"
        if choice.random() < share and not said:
            lines.append(f'{asked}{delimiter}"{answer}\n')
        else:
            lines.append(written([[asked, answer]], delimiter=delimiter, lineterminator="\n"))
            whole.append([asked, answer])
    text = f"question{delimiter}answer\n" + "".join(lines)
    survey = survey_table(bounded_lines(io.StringIO(text, newline=""), LIMIT), LIMIT, known, ())
    rows = Rows(bounded_lines(io.StringIO(text, newline=""), LIMIT), survey.dialect, LIMIT, suspect=survey.suspect)
    found, faults = [], 0
    for row in rows:
        faults += isinstance(row, Fault)
        found += [] if isinstance(row, Fault) else [row.cells]
        rows.layout = rows.layout or survey.layout
    assert found[1:] == whole
    assert faults == 2000 - len(whole)
