import json

import pytest

from adapt.errors import InputError
from adapt.spec.corpus import CorpusSpec, FieldNames, Source
from tests.corpus.corpora import Corpus


def test_csv_locators_are_physical_lines(corpus: Corpus) -> None:
    corpus.write("a.csv", 'question,answer,topic\n"Q, one?","two ""quoted""\nlines",x\n\nQ2?,A2,x\n')
    corpus.build()
    first, second = corpus.documents()
    assert (first.locator, first.instruction, first.output) == ("line 2", "Q, one?", 'two "quoted"\nlines')
    assert (second.locator, second.instruction, second.output) == ("line 5", "Q2?", "A2")


@pytest.mark.parametrize(
    "header",
    ["question,answer", "Prompt;Response", "INSTRUCTION\tcompletion", "问题,答案", "topic,指令,输出", "\ufeffQuestion, Output ", '"问题";"回答"'],
)
def test_csv_columns_and_delimiter_are_recognised(corpus: Corpus, header: str) -> None:
    mark = next(mark for mark in "\t;," if mark in header)
    cells = ["pad"] * (header.count(mark) - 1) + ["What, really?", "An answer; long."]
    corpus.write("a.csv", header + "\r\n" + mark.join(f'"{cell}"' for cell in cells) + "\r\n")
    corpus.build()
    document = corpus.document("a.csv")
    assert (document.instruction, document.output) == ("What, really?", "An answer; long.")


def test_csv_columns_named_by_the_spec_win(corpus: Corpus) -> None:
    corpus.write("a.csv", "question,asked,answer,context,facts\nwrong,right?,That.,no,yes\n")
    corpus.build(CorpusSpec(sources=(Source(glob="*", fields=FieldNames(instruction="asked", input="facts")),)))
    document = corpus.document("a.csv")
    assert (document.instruction, document.input, document.output) == ("right?", "yes", "That.")


def test_csv_without_a_named_column_is_an_input_error_with_a_hint(corpus: Corpus) -> None:
    corpus.write("sub/a.csv", "q,a\n1,2\n")
    with pytest.raises(InputError, match=r"sub/a\.csv: no column 'Q', 'reply'; columns found: q, a\nhint: name the columns"):
        corpus.build(CorpusSpec(sources=(Source(glob="**/*", fields=FieldNames(instruction="Q", output="reply")),)))


def test_malformed_csv_rows_are_quarantined_and_the_rest_is_read(corpus: Corpus) -> None:
    long = "word " * 40_000
    corpus.write("a.csv", f'question,answer\nQ1?,A1\n"Q2" x,A2\nQ3?\nQ4?,"{long}"\nQ5?,"never closed\n')
    corpus.build()
    assert [document.locator for document in corpus.documents()] == ["line 2", "line 5"]
    assert corpus.rows("a.csv") == [("line 3", "unreadable", None), ("line 4", "missing_field", None), ("line 6", "unreadable", None)]


def test_utf16_csv_from_a_spreadsheet_is_read(corpus: Corpus) -> None:
    corpus.write("a.csv", "问题\t答案\n什么是现金？\t手头的钱。\n".encode("utf-16"))
    corpus.build()
    assert corpus.document("a.csv").output == "手头的钱。"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"instruction": "Add.", "input": "1, 2", "output": "3"}, ("Add.", "1, 2", "3")),
        ({"instruction": "", "input": "只有输入？", "output": "是"}, ("只有输入？", "", "是")),
        ({"Question": "How many?", "answer": 42}, ("How many?", "", "42")),
        ({"prompt": "P?", "completion": "C\u2028D"}, ("P?", "", "C\nD")),
        ({"问题": "问？", "回答": "答。"}, ("问？", "", "答。")),
    ],
)
def test_alpaca_lines_are_read(corpus: Corpus, value: dict[str, object], expected: tuple[str, str, str]) -> None:
    corpus.write("a.jsonl", json.dumps(value, ensure_ascii=False) + "\n")
    corpus.build()
    document = corpus.document("a.jsonl")
    assert (document.instruction, document.input, document.output) == expected


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
    ],
)
def test_chat_forms_are_read(corpus: Corpus, value: dict[str, object]) -> None:
    corpus.write("a.jsonl", json.dumps(value) + "\n")
    corpus.build()
    assert [(turn.role, turn.content) for turn in corpus.document("a.jsonl").messages] == [("system", "S"), ("user", "U"), ("assistant", "A")]


@pytest.mark.parametrize(
    ("line", "rule", "reason"),
    [
        ('{"instruction": "cut', "invalid_json", "not valid JSON"),
        ("[1, 2]", "invalid_json", "holds a JSON list"),
        ("[" * 100_000, "invalid_json", "not valid JSON"),
        ('{"instruction": "Q?", "output": ""}', "missing_field", "no answer"),
        ('{"instruction": "Q?", "output": null}', "missing_field", "no answer"),
        ('{"instruction": "Q?", "output": {"a": 1}}', "missing_field", "no answer"),
        ('{"output": "A"}', "missing_field", "no question"),
        ("{}", "missing_field", "no question"),
        ('{"messages": []}', "missing_field", "no assistant turn"),
        ('{"messages": [{"role": "user", "content": "Q"}]}', "missing_field", "no assistant turn"),
        ('{"messages": [{"role": "assistant", "content": "A"}]}', "missing_field", "no user turn"),
        (
            '{"messages": [{"role": "tool", "content": "x"}, {"role": "assistant", "content": "A"}]}',
            "missing_field",
            "Turn 1 of the chat is of no known role",
        ),
        ('{"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": " "}]}', "missing_field", "Turn 2 of the chat is empty"),
        ('{"messages": ["Q", "A"]}', "missing_field", "Turn 1 of the chat is of no known role"),
    ],
)
def test_unusable_json_lines_are_quarantined(corpus: Corpus, line: str, rule: str, reason: str) -> None:
    corpus.write("a.jsonl", '{"instruction": "Q?", "output": "A."}\n\n' + line + "\n")
    corpus.build()
    (row,) = corpus.ledger()
    assert (row.locator, row.rule, row.action) == ("line 3", rule, "quarantined")
    assert reason in row.reason


def test_spec_names_the_keys_of_json_lines(corpus: Corpus) -> None:
    corpus.write("a.jsonl", '{"turns": [{"from": "human", "value": "U"}, {"from": "gpt", "value": "A"}], "q": "no"}\n{"q": "Q?", "a": "A."}\n')
    corpus.build(CorpusSpec(sources=(Source(glob="*", fields=FieldNames(messages="turns", instruction="q", output="a")),)))
    assert [document.kind for document in corpus.documents()] == ["chat"]
    assert corpus.rows("a.jsonl") == [("line 2", "missing_field", None)]


def test_lone_surrogates_in_json_do_not_break_the_build(corpus: Corpus) -> None:
    corpus.write("a.jsonl", '{"instruction": "Q\\ud800?", "output": "A\\udfff."}\n')
    corpus.build()
    assert corpus.document("a.jsonl").output == "A\ufffd."


def test_json_lines_in_gb18030_are_read_and_the_repair_is_noted(corpus: Corpus) -> None:
    line = json.dumps({"instruction": "什么是复利？", "output": "利息再生利息。"}, ensure_ascii=False)
    corpus.write("a.jsonl", (line + "\n").encode("gb18030"))
    corpus.build()
    assert corpus.document("a.jsonl").output == "利息再生利息。"
    assert [(row.record, row.rule) for row in corpus.ledger()] == [("a.jsonl:", "repair_encoding")]
