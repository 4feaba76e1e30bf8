import json
from pathlib import Path

import pytest

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.portion import divide
from adapt.corpus.readers.reading import read_portion
from adapt.records import LedgerRow
from adapt.spec.corpus import Limits
from tests.corpus.readers.reads import Piece, asked, input_of, pieces, read, source_of


def rows(count: int, size: int = 0) -> list[dict[str, str]]:
    return [{"instruction": f"Q{number}?", "output": f"A{number}" + "答" * size} for number in range(count)]


def locators(found: list[Piece]) -> list[str]:
    return [piece.locator for piece in found]


@pytest.mark.parametrize(
    ("line", "rule", "reason"),
    [
        ('{"instruction": "cut', "invalid_json", "not valid JSON"),
        ("[1, 2]", "invalid_json", "There is a JSON list, and an object is expected"),
        ("[" * 100_000, "invalid_json", "not valid JSON"),
        ('{"instruction": "Q?", "output": ""}', "missing_field", "no answer"),
        ('{"instruction": "Q?", "output": null}', "missing_field", "no answer"),
        ('{"instruction": "Q?", "output": NaN}', "missing_field", "no answer"),
        ('{"instruction": "Q?", "output": {"a": 1}}', "missing_field", "no answer"),
        ('{"output": "A"}', "missing_field", "no question"),
        ("{}", "missing_field", "no question"),
        ('{"text": ""}', "missing_field", "no text"),
        ('{"messages": []}', "missing_field", "no assistant turn"),
        ('{"messages": [{"role": "user", "content": "Q"}]}', "missing_field", "no assistant turn"),
        ('{"messages": [{"role": "assistant", "content": "A"}]}', "missing_field", "no user turn"),
        (
            '{"messages": [{"role": "tool", "content": "x"}, {"role": "assistant", "content": "A"}]}',
            "needs_tools",
            "Turn 1 of the chat calls a tool",
        ),
        ('{"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": " "}]}', "missing_field", "Turn 2 of the chat is empty"),
        ('{"messages": ["Q", "A"]}', "missing_field", "Turn 1 of the chat is of no known role"),
    ],
)
def test_unusable_lines_are_rejected_and_the_rest_is_read(tmp_path: Path, line: str, rule: str, reason: str) -> None:
    first, second, third = read(
        tmp_path / "a.jsonl", '{"instruction": "Q?", "output": "A."}\n\n' + line + '\n{"instruction": "R?", "output": "B."}\n'
    )
    assert [asked(first)[0], asked(third)[0]] == ["Q?", "R?"]
    assert isinstance(second, Rejected)
    assert (second.locator, second.rule) == ("line 3", rule)
    assert reason in second.reason


def test_numbers_and_characters_that_a_fast_parser_changes_are_read_as_written(tmp_path: Path) -> None:
    content = '{"question": "Q\\ud800?", "answer": 123456789012345678901234567890}\n{"question": "R?", "answer": [1, [98765432109876543210]]}\n'
    first, second = read(tmp_path / "a.jsonl", content)
    assert asked(first) == ("Q\ufffd?", "", "123456789012345678901234567890")
    assert asked(second)[2] == "1, 98765432109876543210"


def test_the_last_of_equal_keys_wins(tmp_path: Path) -> None:
    (draft,) = read(tmp_path / "a.jsonl", '{"question": "Q?", "answer": "first", "answer": "last"}\n')
    assert asked(draft)[2] == "last"


def test_spec_names_the_keys_of_json_lines(tmp_path: Path) -> None:
    content = '{"turns": [{"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}], "q": "no"}\n{"q": "Q?", "a": "A."}\n'
    chat, rejected = read(tmp_path / "a.jsonl", content, fields={"messages": "turns", "instruction": "q", "output": "a"})
    assert isinstance(chat, Draft)
    assert chat.kind == "chat"
    assert rejected == Rejected("line 2", "missing_field", "There is no list of turns at 'turns'.")


def test_lines_in_gb18030_are_read_and_the_repair_is_noted(tmp_path: Path) -> None:
    line = json.dumps({"instruction": "什么是复利？", "output": "利息再生利息。"}, ensure_ascii=False)
    row, draft = read(tmp_path / "a.jsonl", (line + "\n").encode("gb18030"))
    assert asked(draft)[2] == "利息再生利息。"
    assert isinstance(row, LedgerRow)
    assert (row.record, row.rule, row.action) == ("a.jsonl:", "repair_encoding", "edited")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_files_of_nothing_are_rejected(tmp_path: Path, name: str) -> None:
    (empty,), (blank,) = read(tmp_path / name, ""), read(tmp_path / name, " \n\n")
    assert (empty.rule, blank.rule) == ("empty_file", "empty_file")


def test_lines_longer_than_a_record_may_be_are_passed_over(tmp_path: Path) -> None:
    content = '{"question": "Q?", "answer": "A"}\n{"question": "' + "x" * (2 << 20) + '", "answer": "B"}\n{"question": "R?", "answer": "C"}\n'
    first, second, third = read(tmp_path / "a.jsonl", content, limits=Limits(max_record_mib=1))
    assert second == Rejected("line 2", "too_large", "The line is longer than the 1 MiB of corpus.limits.max_record_mib.")
    assert (first.locator, third.locator) == ("line 1", "line 3")


def test_lines_hold_records_further_in(tmp_path: Path) -> None:
    content = '{"title": "T", "qas": [{"q": "Q?", "a": "A"}, {"q": "R?", "a": "B"}]}\n{"title": "U", "qas": []}\n'
    first, second, none = read(tmp_path / "a.jsonl", content, fields={"records": "qas[*]", "instruction": "q", "output": "a", "group": "^.title"})
    assert isinstance(second, Draft)
    assert (first.locator, second.locator, second.group) == ("line 1 qas[0]", "line 1 qas[1]", "T")
    assert none == Rejected("line 2", "missing_field", "There are no records at 'qas[*]'.")


def test_json_lists_and_single_objects_are_read(tmp_path: Path) -> None:
    assert locators(read(tmp_path / "a.json", json.dumps(rows(2), indent=1))) == ["[0]", "[1]"]
    assert locators(read(tmp_path / "b.json", json.dumps(rows(1)[0], indent=1))) == [""]
    assert read(tmp_path / "c.json", "[]") == [Rejected("", "empty_file", "The list is empty.")]


def test_json_lines_under_the_name_of_json_are_read_as_lines(tmp_path: Path) -> None:
    content = '\ufeff{"question": "Q?", "answer": "A"}\n{"question": \n{"question": "R?", "answer": "B"}\n'
    assert [(piece.locator, isinstance(piece, Draft)) for piece in read(tmp_path / "a.json", content)] == [
        ("line 1", True),
        ("line 2", False),
        ("line 3", True),
    ]


def test_a_json_list_that_breaks_off_gives_the_items_before(tmp_path: Path) -> None:
    found = read(tmp_path / "a.json", json.dumps(rows(3))[:-20])
    assert [asked(piece)[0] for piece in found[:2]] == ["Q0?", "Q1?"]
    reason = "From here on the file is not valid JSON: line 1, column 98: a string is not closed."
    assert found[2:] == [Rejected("[2]", "invalid_json", reason)]


@pytest.mark.parametrize("fields", [{}, {"records": "data[*]"}, {"records": "data[*].qs[*]", "group": "^.g"}])
def test_large_json_is_read_item_by_item_like_small(tmp_path: Path, fields: dict[str, str]) -> None:
    items = rows(40, size=30_000)
    value: object = items
    if fields:
        value = {"version": 1, "data": items if "qs" not in fields["records"] else [{"g": "x", "qs": items[:20]}, {"g": "y", "qs": items[20:]}]}
    content = json.dumps(value, ensure_ascii=False)
    small, large = (read(tmp_path / "a.json", content, fields=fields, limits=Limits(max_record_mib=size)) for size in (16, 2))
    assert small == large
    assert len(small) == 40


def test_an_item_that_is_too_large_ends_the_reading(tmp_path: Path) -> None:
    found = read(tmp_path / "a.json", json.dumps([*rows(1), *rows(1, size=1 << 20), *rows(1)]), limits=Limits(max_record_mib=1))
    assert [piece.locator for piece in found] == ["[0]", "[1]"]
    assert isinstance(found[1], Rejected)
    assert found[1].rule == "too_large"


def test_a_large_file_that_is_one_record_is_rejected(tmp_path: Path) -> None:
    fields = {"records": "data[*]", "output": "a", "group": "^.name"}
    content = json.dumps({"name": "whole", "data": rows(2, size=1 << 20)})
    (rejected,) = read(tmp_path / "a.json", content, fields=fields, limits=Limits(max_record_mib=1))
    assert rejected == Rejected("", "too_large", "The file is one record, and larger than corpus.limits.max_record_mib.")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_large_files_are_cut_at_line_ends_and_give_the_same(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.corpus.readers.portion._PORTION", 1 << 16)
    monkeypatch.setattr("adapt.corpus.readers.portion._BLOCK", 1000)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows(3000, size=30)]
    lines[1000] = "broken"
    lines[2000] = json.dumps({"question": "long?", "answer": "x" * 200_000})
    path = tmp_path / name
    path.write_text("\ufeff" + "\n\n".join(lines) + "\n")
    portions = list(divide(input_of(path, path.suffix[1:]), source_of(), Limits()))  # type: ignore[arg-type]
    assert len(portions) > 4
    assert [portion.end for portion in portions[:-1]] == [portion.start for portion in portions[1:]]
    cut = [piece for portion in portions for piece in read_portion(portion, source_of(), limits=Limits(), adverts="drop", root=None)]
    monkeypatch.setattr("adapt.corpus.readers.portion._PORTION", 1 << 30)
    assert cut == pieces(path, path.suffix[1:])  # type: ignore[arg-type]
    assert (cut[1000].locator, cut[2999].locator) == ("line 2001", "line 5999")


@pytest.mark.parametrize("content", ["问".encode("gb18030") * 100 + b"\n", b"\0" * 50 + b"\n", b"\xff\n" * 50])
def test_files_that_are_not_plain_utf8_are_not_cut(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.corpus.readers.portion._PORTION", 10)
    path = tmp_path / "a.jsonl"
    path.write_bytes(content * 10)
    (portion,) = divide(input_of(path, "jsonl"), source_of(), Limits())
    assert (portion.start, portion.end) == (0, None)


@pytest.mark.parametrize("nested", ["[" * 60_000, "[" * 30_000 + "]" * 30_000])
def test_items_nested_without_end_are_rejected_in_little_memory(tmp_path: Path, nested: str) -> None:
    first, second = read(tmp_path / "a.json", '[{"question": "Q?", "answer": "A"},' + " " * 70_000 + nested)
    assert asked(first)[0] == "Q?"
    assert isinstance(second, Rejected)
    assert (second.locator, second.rule) == ("[1]", "invalid_json")
    assert "nested too deeply" in second.reason
