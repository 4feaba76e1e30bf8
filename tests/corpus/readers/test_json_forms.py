"""JSON in the forms in which people have it, by hand and against the standard library and pandas."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.json_values import Broken, Values
from adapt.records import LedgerRow
from adapt.spec.corpus import Limits
from tests.corpus.readers.reads import Piece, asked, read

ROWS = [{"question": f"Q{number}?", "answer": f"A{number}"} for number in range(4)]
PAIRS = [(f"Q{number}?", f"A{number}") for number in range(4)]
CHAT = [{"role": "user", "content": "It's U"}, {"role": "assistant", "content": 'A "b"\nc'}]


def pairs(found: list[Piece]) -> list[tuple[str, str]]:
    return [(piece.instruction, piece.output) for piece in found if isinstance(piece, Draft)]


def told(found: list[Piece]) -> list[tuple[str, str]]:
    return [(piece.locator, piece.rule) for piece in found if isinstance(piece, Rejected | LedgerRow)]


def pretty(rows: list[dict[str, str]]) -> str:
    return "\n".join(json.dumps(row, indent=2) for row in rows)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ([ROWS[:3], ROWS[3:]], ["[0][0]", "[0][1]", "[0][2]", "[1][0]"]),
        ([[[ROWS]]], [f"[0][0][0][{number}]" for number in range(4)]),
        ({"version": 1, "data": ROWS}, [f"data[{number}]" for number in range(4)]),
        ({"train": ROWS[:2], "test": ROWS[2:]}, ["train[0]", "train[1]", "test[0]", "test[1]"]),
        ({"rows": [{"row_idx": at, "row": row} for at, row in enumerate(ROWS)]}, [f"rows[{number}].row" for number in range(4)]),
        ({"question": [q for q, _ in PAIRS], "answer": [a for _, a in PAIRS], "version": 1}, [f"row {number}" for number in range(1, 5)]),
        ([["question", "answer"], *map(list, PAIRS)], [f"[{number}]" for number in range(1, 5)]),
        *[(json.loads(pd.DataFrame(ROWS).to_json(orient=orient)), places) for orient, places in (
            ("records", [f"[{number}]" for number in range(4)]),
            ("table", [f"data[{number}]" for number in range(4)]),
            *[(orient, [f"row {number}" for number in range(1, 5)]) for orient in ("columns", "index", "split")],
        )],
    ],
)  # fmt: skip
def test_records_are_found_in_whatever_holds_them(tmp_path: Path, value: Any, places: list[str]) -> None:
    found = read(tmp_path / "a.json", json.dumps(value))
    assert pairs(found) == PAIRS
    assert [piece.locator for piece in found] == places


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("content", ["".join(map(json.dumps, ROWS)), pretty(ROWS), json.dumps(ROWS, indent=1), "\ufeff" + json.dumps(ROWS)])
def test_values_that_follow_each_other_are_read_under_either_name(tmp_path: Path, name: str, content: str) -> None:
    assert pairs(read(tmp_path / name, content)) == PAIRS


@pytest.mark.parametrize("size", [100, 1 << 17, 1 << 20])
def test_lines_under_the_name_of_json_are_read_whatever_their_length(tmp_path: Path, size: int) -> None:
    rows = [{"question": "Q?", "answer": "x" * size}, *ROWS]
    found = read(tmp_path / "a.json", "\n".join(map(json.dumps, rows)))
    assert [piece.locator for piece in found] == [f"line {number}" for number in range(1, 6)]
    assert pairs(found)[0] == ("Q?", "x" * size)


def test_a_first_line_beyond_the_limit_is_passed_over_and_the_others_are_lines(tmp_path: Path) -> None:
    rows = [{"question": "Q?", "answer": "x" * (2 << 20)}, *ROWS]
    found = read(tmp_path / "a.json", "\n".join(map(json.dumps, rows)), limits=Limits(max_record_mib=1))
    assert told(found) == [("line 1", "too_large")]
    assert pairs(found) == PAIRS


def test_material_stands_beside_questions_further_in_and_the_first_of_answers_is_told(tmp_path: Path) -> None:
    answers = [{"text": "a", "answer_start": 0}, {"text": "b", "answer_start": 1}]
    asked_here = [{"id": "1", "question": "Q?", "answers": answers}, {"question": "R?", "answers": [], "is_impossible": True}]
    squad = {"version": "2", "data": [{"title": "T", "paragraphs": [{"context": "C.", "qas": asked_here}]}]}
    first, second = read(tmp_path / "a.json", json.dumps(squad))
    assert (first.locator, asked(first)) == ("data[0].paragraphs[0].qas[0]", ("Q?", "C.", "a"))
    assert isinstance(first, Draft)
    assert [edit.rule for edit in first.edits] == ["first_answer"]
    assert told([second]) == [("data[0].paragraphs[0].qas[1]", "missing_field")]


def test_lists_of_turns_are_conversations(tmp_path: Path) -> None:
    turns = (("user", "It's U"), ("assistant", 'A "b"\nc'))
    found = read(tmp_path / "a.json", json.dumps([CHAT, CHAT])) + read(tmp_path / "a.jsonl", json.dumps(CHAT) + "\n" + json.dumps(CHAT))
    assert [piece.messages for piece in found if isinstance(piece, Draft)] == [turns] * 4


@pytest.mark.parametrize("column", ["messages", "conversations"])
@pytest.mark.parametrize("write", [json.dumps, str])
def test_conversations_that_stand_as_text_in_a_field_are_read(tmp_path: Path, column: str, write: Any) -> None:
    turns = (("user", "It's U"), ("assistant", 'A "b"\nc'))
    table = io.StringIO()
    pd.DataFrame([{"id": 1, column: write(CHAT)}, {"id": 2, column: "none"}]).to_csv(table, index=False)
    for name, content in (("a.json", json.dumps([{column: write(CHAT)}, {column: "none"}])), ("a.csv", table.getvalue())):
        first, second = read(tmp_path / name, content)
        assert isinstance(first, Draft)
        assert first.messages == turns
        assert isinstance(second, Rejected)


def test_a_text_that_looks_like_a_list_stays_a_text(tmp_path: Path) -> None:
    row = {"question": "Show JSON.", "answer": '[{"a": 1}]', "rejected": '[{"b": 2}]'}
    (draft,) = read(tmp_path / "a.json", json.dumps([row]))
    assert isinstance(draft, Draft)
    assert (draft.output, draft.rejected) == (row["answer"], row["rejected"])


@pytest.mark.parametrize(
    ("content", "places"),
    [
        ('[{"question": "Q?", "answer": "a, ]",},\n{"question": "R?", "answer": "b"},\n]', [("", "mend_json")]),
        ('[\n {"question": "Q?", "answer": "a, ]"}\n {"question": "R?", "answer": "b"}\n]', [("", "mend_json")]),
        ('{"question": "Q?", "answer": "a, ]"},\n{"question": "R?", "answer": "b"}', [("", "mend_json")]),
        ('[\n{"question": "Q?", "answer": "a, ]"},\n{"question": oops},\n{"question": "R?", "answer": "b"}\n]', [("[1]", "invalid_json")]),
        ('{\n "question": "Q?", "answer": "a, ]"\n}\n{\n oops\n}\n{\n "question": "R?", "answer": "b"\n}', [("line 4", "invalid_json")]),
        ('[{"question": "Q?", "answer": "a, ]", "x": NaN}, {"question": "R?", "answer": "b", "y": -Infinity}]', []),
    ],
)
def test_small_faults_are_read_over_or_cost_their_record_and_are_told(tmp_path: Path, content: str, places: list[tuple[str, str]]) -> None:
    found = read(tmp_path / "a.json", content)
    assert pairs(found) == [("Q?", "a, ]"), ("R?", "b")]
    if content.startswith('{"question": "Q?", "answer": "a, ]"},'):
        assert all(isinstance(piece, Draft) for piece in found[1:])
    else:
        assert told(found) == places


@pytest.mark.parametrize(
    ("content", "rule", "reasons"),
    [
        ("[{'question': 'Q?'}]", "invalid_json", ("line 1, column 3", "double quotes")),
        ('// made by\n[{"question": "Q?"}]', "invalid_json", ("line 1, column 1", "comments")),
        ('{"a": 1,\n "b": True}', "invalid_json", ("line 2, column 7", "write true")),
        ('{"a": 1, "b": {"c": [1, 2]}}', "missing_field", ("fields.records",)),
        ('["a"]', "invalid_json", ("{text: .}",)),
        ("12", "invalid_json", ("fields.records",)),
    ],
)
def test_what_is_not_understood_is_told_with_its_place_and_a_hint(tmp_path: Path, content: str, rule: str, reasons: tuple[str, ...]) -> None:
    (rejected,) = read(tmp_path / "a.json", content)
    assert isinstance(rejected, Rejected)
    assert rejected.rule == rule
    assert all(reason in rejected.reason for reason in reasons)


def test_columns_of_different_lengths_are_told(tmp_path: Path) -> None:
    found = read(tmp_path / "a.json", json.dumps({"question": ["Q?", "R?", "S?"], "answer": ["a", "b"]}))
    assert pairs(found) == [("Q?", "a"), ("R?", "b")]
    assert told(found) == [("row 3", "missing_field")]


@pytest.mark.parametrize("wrap", [None, "data", "pretty"])
def test_long_files_of_any_form_are_read_in_parts_like_short_ones(tmp_path: Path, wrap: str | None) -> None:
    rows = [{"question": f"Q{number}?", "answer": "答" * 20_000} for number in range(90)]
    content = "\n".join(json.dumps(row, indent=1, ensure_ascii=False) for row in rows) if wrap == "pretty" else ""
    content = content or json.dumps({"version": 1, wrap: rows} if wrap else rows, ensure_ascii=False)
    small, large = (read(tmp_path / "a.json", content, limits=Limits(max_record_mib=size)) for size in (16, 1))
    assert small == large
    assert pairs(large) == [(row["question"], row["answer"]) for row in rows]


@pytest.mark.parametrize("indent", [None, 1])
def test_faults_far_into_a_file_are_told_with_their_line(tmp_path: Path, indent: int | None) -> None:
    rows = [json.dumps({"question": f"Q{number}?", "answer": "a" * 300}, indent=indent) for number in range(9000)]
    rows[8000] = rows[8000].replace('"answer"', "oops", 1)
    content = "[\n" + ",\n".join(rows) + "\n]"
    line, column = content[: content.index("oops")].count("\n") + 1, len(content[: content.index("oops")].rpartition("\n")[2]) + 1
    found = read(tmp_path / "a.json", content, limits=Limits(max_record_mib=1))
    (rejected,) = [piece for piece in found if isinstance(piece, Rejected)]
    assert rejected.locator == "[8000]"
    assert f"line {line}, column {column}:" in rejected.reason
    assert len(pairs(found)) == 8999


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(items=st.lists(values, min_size=1), indent=st.sampled_from([None, 1]), block=st.integers(1, 40))
def test_values_are_those_of_the_standard_library_wherever_blocks_end(items: list[Any], indent: int | None, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapt.corpus.readers.json_values._BLOCK", block)
        for content in (json.dumps(items, indent=indent), "\n".join(json.dumps({"a": item}, indent=indent) for item in items)):
            found = [value for _, value in Values(io.StringIO(content), 1 << 20)]
            assert found == (json.loads(content) if content.startswith("[") else [{"a": item} for item in items])


@settings(max_examples=300, deadline=2000, derandomize=True)
@given(content=st.text(st.sampled_from('[]{},:" \n\\u12aentrf'), max_size=60), block=st.integers(1, 20))
def test_any_text_comes_to_an_end(content: str, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapt.corpus.readers.json_values._BLOCK", block)
        found = [value for _, value in Values(io.StringIO(content), 1 << 20)]
        assert sum(isinstance(value, Broken) for value in found) <= content.count("\n") + 1
