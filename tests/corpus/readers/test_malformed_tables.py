"""Tables that are not well-formed: what is read of them, and what is said, by hand."""

import io
import tracemalloc
from pathlib import Path

import pandas as pd
import pyarrow.csv
import pytest

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.checking import check_fields
from adapt.corpus.readers.portion import divide
from adapt.corpus.readers.reading import read_portion
from adapt.errors import InputError
from adapt.records import LedgerRow
from adapt.spec.corpus import Limits
from tests.corpus.readers.reads import Piece, asked, input_of, read, source_of


def lines(count: int, delimiter: str = ",") -> list[str]:
    return [f"Enquiry number {number}?{delimiter}Reply number {number} names the stone." for number in range(1, count + 1)]


def answers(found: list[Piece]) -> list[str]:
    return [piece.output for piece in found if isinstance(piece, Draft)]


def told(found: list[Piece]) -> list[tuple[str, str]]:
    return [(piece.locator, piece.rule) for piece in found if isinstance(piece, Rejected)]


@pytest.mark.parametrize("delimiter", "\t,;|")
@pytest.mark.parametrize("end", [None, 3, 5, 11])
def test_quotes_of_a_table_without_quoting_are_characters(tmp_path: Path, delimiter: str, end: int | None) -> None:
    rows = lines(20, delimiter)
    rows[2] = f'Enquiry number 3?{delimiter}"Stop said the guard'
    if end:
        rows[end] = f'Enquiry number {end + 1}?{delimiter}Go on said the driver."'
    found = read(tmp_path / "a.csv", "\n".join([f"question{delimiter}answer", *rows]))
    assert answers(found) == [row.split(delimiter)[1] for row in rows]
    assert told(found) == []
    assert [piece.rule for piece in found if isinstance(piece, LedgerRow)] == ([] if delimiter == "\t" else ["literal_quotes"])


@pytest.mark.parametrize("end", [None, 8, 11])
def test_a_stray_quote_among_quoted_cells_costs_its_row_and_is_told(tmp_path: Path, end: int | None) -> None:
    rows = lines(20)
    rows[1], rows[15] = 'Enquiry number 2?,"Yes, it is."', '"Enquiry 16, really?","He said ""no"",\nand left,\nit seems."'
    rows[4] = 'Enquiry number 5?,"Stop said the guard'
    if end:
        rows[end] = f'Enquiry number {end + 1}?,Go on said the driver."'
    found = read(tmp_path / "a.csv", "\n".join(["question,answer", *rows]))
    assert told(found) == [("line 6", "unreadable")]
    right = {1: "Yes, it is.", 15: 'He said "no",\nand left,\nit seems.'} | ({end: 'Go on said the driver."'} if end else {})
    assert answers(found) == [right.get(at) or row.split(",")[1] for at, row in enumerate(rows) if at != 4]


def test_a_quote_within_a_cell_of_several_lines_costs_that_row(tmp_path: Path) -> None:
    content = 'question,answer\nA?,"first line\nthen "bad" quote here\nlast line, with more"\nB?,"ok, fine"\nC?,d\n'
    found = read(tmp_path / "a.csv", content)
    assert told(found) == [("line 2", "unreadable")]
    assert answers(found) == ["ok, fine", "d"]


def test_quotes_in_tables_with_tabs_are_literal_unless_the_file_quotes(tmp_path: Path) -> None:
    literal = read(tmp_path / "a.tsv", 'question\tanswer\nA?\t"Yes."\nB?\tHe said "hi" there\nC?\t"No," he said\n', reader="csv")
    assert answers(literal) == ['"Yes."', 'He said "hi" there', '"No," he said']
    quoted = read(tmp_path / "b.tsv", 'question\tanswer\nA?\t"Yes."\nB?\t"two\nlines"\nC?\t"He said ""hi"""\n', reader="csv")
    assert answers(quoted) == ["Yes.", "two\nlines", 'He said "hi"']


def test_rows_that_the_columns_do_not_fit_are_rejected_with_their_line(tmp_path: Path) -> None:
    content = 'question,answer,label\nMay it?,"Yes, but",a\nCan it?,No, never,b\nShall it?,Ok\n,,\nWill it?,Sure,c,,\n'
    found = read(tmp_path / "a.csv", content)
    assert told(found) == [("line 3", "extra_cells"), ("line 4", "missing_cells")]
    assert answers(found) == ["Yes, but", "Sure"]


def test_cells_that_most_rows_leave_out_at_their_end_are_empty_and_the_row_says_so(tmp_path: Path) -> None:
    rows = [f"Q{number}?,Answer {number}" for number in range(9)]
    found = read(tmp_path / "a.csv", "\n".join(["question,answer,label,notes", *rows, "Qx?,A,l"]))
    assert answers(found) == [*[row.split(",")[1] for row in rows], "A"]
    assert all(isinstance(piece, Draft) and [edit.rule for edit in piece.edits] == ["fill_cells"] for piece in found)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("sep=;\r\nquestion;answer\r\nA, b?;x\r\n\r\nC?;d\r\n", [("line 3", "A, b?", "x"), ("line 5", "C?", "d")]),
        ('\ufeff"sep=|"\nquestion|answer\nA?|x, y\n', [("line 3", "A?", "x, y")]),
        ("question|answer\nA, b?|x, y\nC?|d|\n", [("line 2", "A, b?", "x, y"), ("line 3", "C?", "d")]),
        ('question,answer\rA?,"x\ry"\rC?,d\r', [("line 2", "A?", "x\ry"), ("line 4", "C?", "d")]),
        ("# made by\n\n#note, two\nquestion,answer\n#hash?,kept\n", [("line 5", "#hash?", "kept")]),
        ("#id\tquestion\tanswer\n1\tA?\tb\n", [("line 2", "A?", "b")]),
        ('question,answer\n"Say \\"hi, you\\"","a \\\\ b\\c"\nC?,d\n', [("line 2", 'Say "hi, you"', "a \\ b\\c"), ("line 3", "C?", "d")]),
        ('question,answer\n"\\frac{1}{2}, \\\\?","say ""\\a"", ok"\nC:\\n?,d\n',
         [("line 2", "\\frac{1}{2}, \\\\?", 'say "\\a", ok'), ("line 3", "C:\\n?", "d")]),
        ("'question','answer'\n'A, b?','don''t'\n'C?','d'\n", [("line 2", "A, b?", "don't"), ("line 3", "C?", "d")]),
        ('question, answer\nA?, "x, y"\nD?, e\n', [("line 2", "A?", "x, y"), ("line 3", "D?", "e")]),
        ("question,answer\n'Tis so?,Don't, say 'no'\nA?,'b'\n", [("line 3", "A?", "'b'")]),
    ],
)  # fmt: skip
def test_headers_delimiters_and_escapes_are_recognised(tmp_path: Path, content: str, rows: list[tuple[str, str, str]]) -> None:
    drafts = [piece for piece in read(tmp_path / "a.csv", content) if isinstance(piece, Draft)]
    assert [(draft.locator, draft.instruction, draft.output) for draft in drafts] == rows


def test_a_quote_that_comes_late_counts_as_one_that_comes_first(tmp_path: Path) -> None:
    found = read(tmp_path / "a.tsv", "\n".join(["question\tanswer", *lines(30_000, "\t"), 'Q?\t"He said ""so""\nand left"']), reader="csv")
    assert asked(found[-1]) == ("Q?", "", 'He said "so"\nand left')


def test_a_quote_that_nothing_closes_keeps_memory_bounded_and_rows_whole(tmp_path: Path) -> None:
    rows = [*lines(100), 'Q?,"open', 'R?,"shut, here"', 'S?,"open', *lines(40_000)]
    found = read(tmp_path / "a.csv", "\n".join(["question,answer", *rows]), limits=Limits(max_record_mib=1))
    assert told(found) == [("line 102", "unreadable"), ("line 104", "unreadable")]
    assert len(answers(found)) == 40_101


@pytest.mark.parametrize("answer", ["It is {}, so far.", '"He said ""{}"", and left"'])
def test_long_tables_are_read_in_little_memory(tmp_path: Path, answer: str) -> None:
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write("question|answer\n")
        file.writelines(f"What is {number}?|{answer.format('x' * 200)}\n" for number in range(60_000))
    source = source_of()
    (portion,) = divide(input_of(path, "csv"), source, Limits())
    tracemalloc.start()
    count = sum(1 for _ in read_portion(portion, source, limits=Limits(), adverts="drop", root=None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 60_000
    assert peak < path.stat().st_size


def test_a_cell_of_many_lines_that_is_too_large_is_one_rejection(tmp_path: Path) -> None:
    long = "\n".join(["a long line, with commas, and words" * 3] * 20_000)
    found = read(tmp_path / "a.csv", f'question,answer\nA?,"b, c"\nB?,"{long}"\nC?,d\n', limits=Limits(max_record_mib=1))
    assert told(found) == [("line 3", "too_large")]
    assert answers(found) == ["b, c", "d"]


def test_a_table_without_a_header_is_read_by_columns_of_the_spec(tmp_path: Path) -> None:
    content = 'What is cash?,"Money, at hand."\nWhat is debt?,Money owed.\n'
    found = read(tmp_path / "a.csv", content, columns=["question", "answer"])
    assert [asked(piece) for piece in found] == [("What is cash?", "", "Money, at hand."), ("What is debt?", "", "Money owed.")]
    headed = read(tmp_path / "a.csv", "question,answer\n" + content, columns=["question", "answer"])
    assert answers(headed) == answers(found)
    placed = read(tmp_path / "a.csv", content, columns=["q", "a"], fields={"instruction": "q", "output": "a"})
    assert answers(placed) == answers(found)


def test_a_table_without_a_header_is_refused_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    found = read(path, "What is cash?,Money at hand.\nWhat is debt?,Money owed.\n")
    assert told(found) == [("line 1", "no_header"), ("line 2", "no_header")]
    assert all("`columns`" in piece.reason for piece in found if isinstance(piece, Rejected))
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.columns: \[question, answer\]"):
        check_fields(source_of(), [input_of(path, "csv")], limits=Limits(), root=None)


def test_a_header_of_unknown_names_is_no_row(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", "city,size\nParis,big\n")
    assert told(found) == [("line 2", "missing_field")]
    assert all("`fields`" in piece.reason for piece in found if isinstance(piece, Rejected))


@pytest.mark.parametrize("name", ["plain", "quoted", "lines"])
def test_well_formed_tables_are_read_as_pandas_and_arrow_do(tmp_path: Path, name: str) -> None:
    content = {
        "plain": "question,answer\nA?,b\nC?,d e\n",
        "quoted": 'question,answer\r\n"A, ""b""?","c"\r\nD?,"e, f"\r\n',
        "lines": 'question,answer\n"A\nb?","c\n\nd, e"\nF?,g\n',
    }[name]
    found = [asked(piece)[::2] for piece in read(tmp_path / "a.csv", content)]
    assert found == list(pd.read_csv(io.StringIO(content)).itertuples(index=False, name=None))
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    assert found == [tuple(row.values()) for row in pyarrow.csv.read_csv(tmp_path / "a.csv", parse_options=options).to_pylist()]
