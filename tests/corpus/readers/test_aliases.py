"""Rows merged from several sources, in which one field has several names."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapt.corpus.draft import Draft, Rejected
from tests.corpus.readers.reads import Piece, asked, pieces, read

CHAT = [{"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}]


def merged(tmp_path: Path, rows: list[dict[str, Any]], **settings: Any) -> list[Piece]:
    """Rows of a Parquet file whose columns are those of all rows; it reads as lines of JSON do."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    whole = [{name: row.get(name) for name in names} for row in rows]
    pq.write_table(pa.Table.from_pylist(whole), tmp_path / "a.parquet")
    found = pieces(tmp_path / "a.parquet", "parquet", **settings)
    lines = read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, whole)), **settings)
    unplaced = [[replace(p, source="", locator="") if isinstance(p, Draft) else p[1:] for p in side] for side in (found, lines)]
    assert unplaced[0] == unplaced[1]
    return found


def rules(piece: Piece) -> list[str]:
    assert isinstance(piece, Draft), piece
    return [edit.rule for edit in piece.edits]


@pytest.mark.parametrize("nothing", [None, "", "  ", math.nan])
def test_an_empty_name_never_hides_a_filled_one(tmp_path: Path, nothing: Any) -> None:
    rows = [
        {"instruction": "Q?", "output": "a", "question": None, "response": None},
        {"instruction": nothing, "output": nothing, "question": "R?", "response": "b"},
        {"instruction": nothing, "output": nothing, "question": nothing, "response": "c"},
    ]
    if isinstance(nothing, float):
        first, second, third = read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    else:
        first, second, third = merged(tmp_path, rows)
    assert [asked(first), asked(second)] == [("Q?", "", "a"), ("R?", "", "b")]
    assert rules(first) == rules(second) == []
    assert isinstance(third, Rejected)
    assert third.rule == "missing_field"


def test_names_that_differ_are_told_and_equal_ones_are_not(tmp_path: Path) -> None:
    rows = [{"instruction": "Q?", "question": "R?", "answer": "a", "response": "a "}, {"instruction": "Q?", "question": "Q?", "answer": "a"}]
    first, second = merged(tmp_path, rows)
    assert asked(first) == ("Q?", "", "a")
    assert rules(first) == ["differing_fields"]
    assert isinstance(first, Draft)
    assert "'instruction' is read, and 'question' differs" in first.edits[0].reason
    assert "fields.instruction" in first.edits[0].reason
    assert rules(second) == []


def test_a_name_that_the_spec_gives_is_not_doubted(tmp_path: Path) -> None:
    rows = [{"instruction": "Q?", "question": "R?", "answer": "a"}]
    (draft,) = merged(tmp_path, rows, fields={"instruction": "question"})
    assert asked(draft) == ("R?", "", "a")
    assert rules(draft) == []


def test_records_of_several_kinds_stand_in_one_table(tmp_path: Path) -> None:
    rows = [
        {"question": "Q?", "answer": "a"},
        {"text": "Running text."},
        {"messages": CHAT},
        {"conversations": [{"from": "human", "value": "V"}, {"from": "gpt", "value": "B"}]},
        {"prompt": "P?", "chosen": "good", "rejected": "bad"},
        {"prompt": "P?", "response": "good", "rejected": "bad"},
        {"question": "Q?", "text": "Not read."},
    ]
    *found, last = merged(tmp_path, rows)
    assert [piece.kind for piece in found if isinstance(piece, Draft)] == ["question", "text", "chat", "chat", "preference", "preference"]
    assert [piece.output for piece in found[4:] if isinstance(piece, Draft)] == ["good", "good"]
    assert isinstance(last, Rejected)
