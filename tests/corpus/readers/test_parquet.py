import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.mapping import Mapping
from adapt.corpus.readers.parquet import read_parquet
from adapt.corpus.readers.portion import divide
from adapt.errors import InputError
from adapt.spec.corpus import Fields, Limits
from tests.corpus.readers.reads import asked, input_of, pieces, source_of


def write(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def test_rows_with_structs_and_lists_are_read_like_json(tmp_path: Path) -> None:
    rows = [
        {"meta": {"q": "Q?", "on": "2024-01-02"}, "answers": ["a", "b"], "turns": None},
        {"meta": {"q": "R?", "on": None}, "answers": None, "turns": None},
    ]
    fields = {"instruction": "meta.q", "output": "answers", "date": "meta.on"}
    first, second = pieces(write(tmp_path / "a.parquet", rows), "parquet", fields=fields)
    assert asked(first) == ("Q?", "", "a, b")
    assert isinstance(first, Draft)
    assert (first.locator, first.date) == ("row 1", "2024-01-02")
    assert second == Rejected("row 2", "missing_field", "There is no answer at 'answers'.")


def test_chats_are_known_by_the_usual_names(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}]
    (draft,) = pieces(write(tmp_path / "a.parquet", [{"id": 1, "conversations": turns}]), "parquet")
    assert isinstance(draft, Draft)
    assert draft.messages == (("user", "U"), ("assistant", "A"))


def test_row_groups_are_portions_and_rows_keep_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", [{"question": f"Q{n}?", "answer": f"A{n}"} for n in range(10)], row_group_size=4)
    whole = pieces(path, "parquet")
    monkeypatch.setattr("adapt.corpus.readers.portion._WHOLE", 20)
    assert [(portion.start, portion.end, portion.first_line) for portion in divide(input_of(path, "parquet"), source_of(), Limits())] == [
        (0, 1, 1),
        (1, 2, 5),
        (2, 3, 9),
    ]
    assert pieces(path, "parquet") == whole
    assert [piece.locator for piece in whole] == [f"row {n}" for n in range(1, 11)]


def test_a_named_column_that_is_missing_is_an_input_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [{"q": "Q?", "a": "A"}])
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.fields\.output: a\.parquet has no column 'reply'\nhint: its columns are q, a"):
        pieces(path, "parquet", fields={"output": "reply.text"})


def test_files_that_are_no_parquet_are_rejected(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.parquet", [{"question": f"Q{n}?", "answer": "A" * n} for n in range(2000)], compression="none").read_bytes()
    for content in (b"PAR1 or not", whole[:-200], b"\0" * 100 + whole[100:]):
        path = tmp_path / "b.parquet"
        path.write_bytes(content)
        assert "unreadable" in [piece.rule for piece in pieces(path, "parquet") if isinstance(piece, Rejected)]


def test_row_groups_that_would_expand_too_far_are_not_read(tmp_path: Path) -> None:
    rows = [{"question": "Q?", "answer": answer} for answer in ("A", "x" * (1 << 20), "B")]
    first, second, third = pieces(
        write(tmp_path / "a.parquet", rows, compression="zstd", row_group_size=1), "parquet", limits=Limits(max_expansion=10)
    )
    assert isinstance(second, Rejected)
    assert second.rule == "too_large"
    assert [first.locator, second.locator, third.locator] == ["row 1", "row 2", "row 3"]


def test_cells_without_a_value_in_python_are_empty_and_the_rest_is_read(tmp_path: Path) -> None:
    moments = pa.array([1 << 61, 0], pa.int64()).cast(pa.timestamp("ms"))
    pq.write_table(pa.table({"question": ["Q?", "R?"], "answer": ["A", "B"], "on": moments}), tmp_path / "a.parquet")
    first, second = pieces(tmp_path / "a.parquet", "parquet", fields={"date": "on"})
    assert isinstance(first, Draft)
    assert isinstance(second, Draft)
    assert (first.date, second.date) == ("", "1970-01-01T00:00:00")


def test_what_the_network_does_wrong_is_no_damage_of_the_file(tmp_path: Path) -> None:
    class Unplugged(io.BytesIO):
        plugged = True

        def read(self, size: int | None = -1) -> bytes:
            if not self.plugged:
                raise InputError("the network is gone")
            return super().read(size)

    stored = Unplugged(write(tmp_path / "a.parquet", [{"question": "Q?", "answer": "A."}] * 9, row_group_size=3).read_bytes())
    rows = read_parquet(stored, "a.parquet", Mapping(Fields(), licence="", place="corpus.sources.0"), Limits())
    assert isinstance(next(rows), Draft)
    stored.plugged = False
    with pytest.raises(InputError, match="the network is gone"):
        list(rows)
