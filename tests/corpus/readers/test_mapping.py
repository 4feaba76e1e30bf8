import json
import logging
from pathlib import Path
from typing import Any

import pytest

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.checking import check_fields
from adapt.errors import InputError
from adapt.spec.corpus import Limits
from tests.corpus.readers.reads import asked, input_of, read, source_of

NESTED = [
    {
        "table": {"uid": "t1", "table": [["", "2019"], ["Sales", "5"]]},
        "paragraphs": [{"text": "One."}, {"text": "Two."}],
        "questions": [{"q": "How much?", "a": 5}, {"q": "Which?", "a": ["x", "y"]}, {"q": "Why?"}],
    }
]


def lines(*values: Any) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


def test_nested_records_take_fields_from_what_encloses_them(tmp_path: Path) -> None:
    fields = {
        "records": "[*].questions[*]",
        "instruction": "q",
        "input": {"join": ["^.table.table", "^.paragraphs[*].text"]},
        "output": "a",
        "group": "^.table.uid",
        "label": {"constant": "finance"},
    }
    first, second, third = read(tmp_path / "a.json", json.dumps(NESTED), fields=fields, licence="MIT")
    assert asked(first) == ("How much?", "|  | 2019 |\n| --- | --- |\n| Sales | 5 |\n\nOne.\nTwo.", "5")
    assert asked(second)[2] == "x, y"
    assert isinstance(first, Draft)
    assert (first.locator, first.licence, first.group, first.label) == ("[0].questions[0]", "MIT", "t1", "finance")
    assert third == Rejected("[0].questions[2]", "missing_field", "There is no answer at 'a'.")


def test_licence_and_date_of_a_record_win_and_empty_ones_leave_the_source_s(tmp_path: Path) -> None:
    content = lines({"q": "Q?", "a": "A", "by": "CC0-1.0", "on": "2024/1/2"}, {"q": "R?", "a": "B", "by": "", "on": "whenever"})
    fields = {"instruction": "q", "output": "a", "licence": "by", "date": "on"}
    drafts = read(tmp_path / "a.jsonl", content, licence="MIT", fields=fields)
    assert [(draft.licence, draft.date) for draft in drafts if isinstance(draft, Draft)] == [("CC0-1.0", "2024-01-02"), ("MIT", "")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"instruction": "Add.", "input": "1, 2", "output": "3"}, ("Add.", "1, 2", "3")),
        ({"instruction": "", "input": "只有输入？", "output": "是"}, ("只有输入？", "", "是")),
        ({"Question": "How many?", "answer": 42}, ("How many?", "", "42")),
        ({"prompt": "P?", "completion": "C"}, ("P?", "", "C")),
        ({"问题": "问？", "回答": "答。"}, ("问？", "", "答。")),
        ({"instruction": "Add.", "output": "3", "text": "Below is an instruction", "history": [], "system": ""}, ("Add.", "", "3")),
    ],
)
def test_questions_are_known_by_the_usual_names(tmp_path: Path, value: dict[str, object], expected: tuple[str, str, str]) -> None:
    (draft,) = read(tmp_path / "a.jsonl", lines(value))
    assert asked(draft) == expected


def test_running_text_is_known_by_its_name(tmp_path: Path) -> None:
    first, second = read(tmp_path / "a.jsonl", lines({"text": "Prose.", "title": "T", "id": 1}, {"标题": "题", "正文": "文章。"}))
    assert isinstance(first, Draft)
    assert isinstance(second, Draft)
    assert (first.kind, first.title, first.text) == ("text", "T", "Prose.")
    assert (second.kind, second.title, second.text) == ("text", "题", "文章。")


@pytest.mark.parametrize(
    "value",
    [
        {"conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}]},
        {"messages": [{"role": "SYSTEM", "content": "S"}, {"role": "user", "content": "U"}, {"role": "assistant", "content": "A"}]},
        {
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": [{"type": "text", "text": "U"}]},
                {"role": "bot", "content": "A"},
            ]
        },
        {"instruction": "U", "output": "A", "system": "S"},
    ],
)
def test_chat_forms_are_read(tmp_path: Path, value: dict[str, object]) -> None:
    (draft,) = read(tmp_path / "a.jsonl", lines(value))
    assert isinstance(draft, Draft)
    assert draft.messages == (("system", "S"), ("user", "U"), ("assistant", "A"))


def test_history_beside_a_question_makes_a_chat(tmp_path: Path) -> None:
    (draft,) = read(tmp_path / "a.jsonl", lines({"instruction": "And?", "input": "x", "output": "B", "history": [["Q", "A"], ["half", ""]]}))
    assert isinstance(draft, Draft)
    assert draft.messages == (("user", "Q"), ("assistant", "A"), ("user", "And?\n\nx"), ("assistant", "B"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"prompt": "Q?", "chosen": "good", "rejected": "bad"}, ((), "Q?", "good", "bad")),
        ({"question": "Q?", "answer": "good", "rejected": "bad"}, ((), "Q?", "good", "bad")),
        (
            {
                "chosen": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Q?\n\nAssistant: good",
                "rejected": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Q?\n\nAssistant: bad",
            },
            ((("user", "Hi"), ("assistant", "Yes?")), "Q?", "good", "bad"),
        ),
        ({"prompt": "\n\nHuman: Q?\n\nAssistant:", "chosen": "good", "rejected": "bad"}, ((), "Q?", "good", "bad")),
        (
            {
                "prompt": "Q?",
                "chosen": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q?"}, {"role": "assistant", "content": "good"}],
                "rejected": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q?"}, {"role": "assistant", "content": "bad"}],
                "messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "good"}],
            },
            ((("system", "S"),), "Q?", "good", "bad"),
        ),
        (
            {
                "prompt": [{"role": "user", "content": "Q?"}],
                "chosen": [{"role": "assistant", "content": "good"}],
                "rejected": {"role": "assistant", "content": "bad"},
            },
            ((), "Q?", "good", "bad"),
        ),
    ],
)
def test_preference_forms_are_read(tmp_path: Path, value: dict[str, object], expected: tuple[object, str, str, str]) -> None:
    (draft,) = read(tmp_path / "a.jsonl", lines(value))
    assert isinstance(draft, Draft)
    assert draft.kind == "preference"
    assert (draft.messages, draft.instruction, draft.output, draft.rejected) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"prompt": "Q?", "chosen": "same", "rejected": "same"}, "no worse answer: both are the same"),
        ({"chosen": "good", "rejected": "bad"}, "no question before the answers"),
        ({"prompt": "Q?", "chosen": "", "rejected": "bad"}, "no better answer"),
        (
            {"chosen": "\n\nHuman: Q?\n\nAssistant: a", "rejected": "\n\nHuman: R?\n\nAssistant: b"},
            "do not follow the same conversation",
        ),
    ],
)
def test_pairs_that_are_none_are_rejected(tmp_path: Path, value: dict[str, object], reason: str) -> None:
    (rejected,) = read(tmp_path / "a.jsonl", lines(value))
    assert isinstance(rejected, Rejected)
    assert rejected.rule == "missing_field"
    assert reason in rejected.reason


def test_records_that_are_texts_are_named_by_a_dot(tmp_path: Path) -> None:
    drafts = read(tmp_path / "a.json", '{"texts": ["One.", "Two."]}', fields={"records": "texts[*]", "text": "."})
    assert [draft.text for draft in drafts if isinstance(draft, Draft)] == ["One.", "Two."]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"output": "a..b"}, r"corpus\.sources\.0\.fields\.output: 'a\.\.b' is no path: at character 2\nhint: write a\.b"),
        ({"records": "a[", "output": "b"}, r"corpus\.sources\.0\.fields\.records: 'a\[' is no path"),
        ({"output": "^.a"}, r"fields\.output: '\^\.a' goes out 1 times, and there are no \[\*\] in `records`"),
        ({"text": "a", "output": "b"}, r"corpus\.sources\.0\.fields: text stands in place of instruction and output"),
    ],
)
def test_fields_that_cannot_be_are_input_errors(tmp_path: Path, fields: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.json", "[{}]", fields=fields)


def test_a_path_that_no_first_record_has_is_an_input_error_with_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines(*[{"q": "Q?", "reply": {"text": "A"}}] * 3))
    with pytest.raises(
        InputError,
        match=r"corpus\.sources\.0\.fields\.output: the first records of a\.jsonl have nothing at 'replay'\nhint: there is: q, reply\.text",
    ):
        check_fields(source_of(fields={"instruction": "q", "output": "replay"}), [input_of(path, "jsonl")], limits=Limits(), root=None)


@pytest.mark.parametrize("fields", [{"records": "dta[*]"}, {"records": "data[*].qs[*]"}])
def test_a_path_to_no_records_is_an_input_error(tmp_path: Path, fields: dict[str, str]) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"data": [{"questions": []}]}')
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.fields\.records: .*\nhint: there is: data\[\*\]\.questions"):
        check_fields(source_of(fields=fields), [input_of(path, "json")], limits=Limits(), root=None)


def test_a_path_that_one_of_the_first_files_has_is_right(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    paths[0].write_text(lines(*[{"q": "Q?"}] * 12))
    paths[1].write_text(lines({"q": "Q?", "a": "A"}))
    fields = {"instruction": "q", "output": "a", "date": "later"}
    check_fields(source_of(fields=fields), [input_of(path, "jsonl") for path in paths], limits=Limits(), root=None)
    with caplog.at_level(logging.WARNING):
        assert {piece.rule for piece in read(paths[0], paths[0].read_text(), fields=fields) if isinstance(piece, Rejected)} == {"missing_field"}
    assert "corpus.sources.0.fields.output: a.jsonl has nothing at 'a'; it has: q" in caplog.text


def test_a_path_that_is_missing_in_one_record_rejects_that_record(tmp_path: Path) -> None:
    content = lines({"qa": {"q": "Q?", "a": "A"}}, {"qa": {"q": "Q?"}}, {"qa": None})
    _, second, third = read(tmp_path / "a.jsonl", content, fields={"instruction": "qa.q", "output": "qa.a"})
    assert [second, third] == [
        Rejected("line 2", "missing_field", "There is no answer at 'qa.a'."),
        Rejected("line 3", "missing_field", "There is no question at 'qa.q'."),
    ]


def test_fields_that_a_reader_does_not_look_at_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.md").write_text("Text.")
    (tmp_path / "a.csv").write_text("question,a\n1,2\n")
    fields = {"output": "a", "records": "x[*]", "label": {"constant": "c"}}
    for name, reader, ignored in (("a.md", "markdown", ["records", "output"]), ("a.csv", "csv", ["records"]), ("a.md", "json", [])):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            check_fields(source_of(fields=fields), [input_of(tmp_path / name, reader)], limits=Limits(), root=None)  # type: ignore[arg-type]
        assert [record.getMessage() for record in caplog.records] == [
            f"corpus.sources.0.fields.{field} has no effect on the reader {reader}" for field in ignored
        ]
