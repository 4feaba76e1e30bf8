import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.artifact.progress import QuietProgress
from adapt.dataset.synthesis.grounding import share_in, tokens_of
from adapt.dataset.synthesis.openai import OpenAITeacher
from adapt.dataset.synthesis.pairs import Pair, find_fault, read_pairs
from adapt.dataset.synthesis.passages import cut_passages
from adapt.dataset.synthesis.prompt import PromptTemplate
from adapt.dataset.synthesis.synthesize import Synthesised, synthesize
from adapt.dataset.synthesis.talk import Failure, Messages, digest_messages
from adapt.dataset.synthesis.teacher import Teacher
from adapt.errors import InputError
from adapt.records import AlpacaRecord, Document, LedgerRow
from adapt.spec.synthesis import OpenAITeacher as OpenAISpec
from adapt.spec.synthesis import Synthesis
from tests.dataset.endpoint import Reply, serving
from tests.dataset.made import question, text

BODY = (
    "A bond is a loan that an investor makes to a company or a government. The issuer pays interest twice a year and returns the money on the day "
    "that was agreed. When market rates rise, the price of a bond with a fixed coupon falls, since newer bonds pay more."
)
ZH = (
    "债券是投资者向公司或政府提供的借款。发行人每半年支付一次利息，并在约定的日期归还本金。"
    "市场利率上升时，固定票息债券的价格会下跌，因为新发行的债券利息更高。"
)
GOOD = Pair("What does the issuer of a bond pay?", "The issuer pays interest twice a year and returns the money on the day that was agreed.")
GOOD_ZH = Pair("债券发行人多久支付一次利息？", "发行人每半年支付一次利息，并在约定的日期归还本金。")


class Scripted:
    """A teacher that answers by a function of the conversation, last prompt first."""

    name = "scripted"

    def __init__(self, answer: Callable[[Messages], str | Failure]) -> None:
        self.answer = answer
        self.asked: list[Messages] = []
        self.settings: dict[str, Any] = {}

    def ask(self, prompts: Iterable[Messages]) -> Iterator[tuple[int, str | Failure]]:
        for number, messages in reversed(list(enumerate(prompts))):
            self.asked.append(messages)
            yield number, self.answer(messages)


def written(*pairs: Pair) -> str:
    return json.dumps([{"question": pair.question, "answer": pair.answer} for pair in pairs], ensure_ascii=False)


def made(teacher: Teacher, documents: list[Document], cache: Path, *, template: str | None = None, seed: int = 0, **spec: Any) -> list[Synthesised]:
    settings = Synthesis.model_validate({"pairs_per_passage": 2, **spec})
    with QuietProgress().task("") as task:
        return list(synthesize(documents, settings, template=template, teacher=teacher, cache=cache, seed=seed, task=task))


def records(results: list[Synthesised]) -> list[AlpacaRecord]:
    return [candidate.record for result in results for candidate in result.candidates]


def rows(results: list[Synthesised]) -> list[LedgerRow]:
    return [row for result in results for row in result.dropped]


def test_a_record_names_its_passage_its_teacher_and_its_prompt(tmp_path: Path) -> None:
    teacher = Scripted(lambda messages: written(GOOD))
    document = text(f"# Bonds\n\n{BODY}").model_copy(update={"licence": "CC0-1.0", "locator": "page 3"})
    (record,) = records(made(teacher, [document], tmp_path, pairs_per_passage=1))
    assert (record.instruction, record.output, record.language, record.licence) == (*GOOD, "en", "CC0-1.0")
    assert (record.document, record.locator) == (document.id, f"page 3, characters 0-{len(document.text)}, pair 1")
    assert record.origin is not None
    assert document.text[record.origin.start : record.origin.end] == f"# Bonds\n\n{BODY}"
    assert (record.origin.method, record.origin.parent, record.origin.teacher) == ("synthesis", document.id, "scripted")
    assert record.origin.prompt == digest_messages(teacher.asked[0])


def test_long_documents_are_asked_about_passage_by_passage_in_order(tmp_path: Path) -> None:
    parts = [f"## Part {number}\n\n{BODY.replace('bond', f'bond{number}')}" for number in range(5)]
    teacher = Scripted(lambda messages: written(Pair(f"Question {next(n for n in range(5) if f'bond{n}' in messages[-1].content)}?", BODY[:60])))
    results = made(teacher, [text("\n\n".join(parts), title="Guide")], tmp_path, passage_words=60, pairs_per_passage=1, min_grounding=0)
    assert [record.instruction for record in records(results)] == [f"Question {number}?" for number in range(5)]
    assert all("Title: Guide" in messages[0].content for messages in teacher.asked)


def test_passages_stand_under_the_headings_above_them() -> None:
    body = f"# Bonds\n\n## Price\n\n{BODY}\n\n{BODY}\n\n## Yield\n\n{BODY}"
    passages = cut_passages(text(body, title="Guide"), 60)
    assert [passage.title for passage in passages] == ["Guide", "Guide > Bonds > Price", "Guide > Bonds"]
    assert all(passage.text == body[passage.span.start : passage.span.end] for passage in passages)


def test_chinese_passages_are_cut_at_sentences_and_asked_in_chinese(tmp_path: Path) -> None:
    document = text(ZH * 3, title="债券", language="zh")
    assert [passage.text[-1] for passage in cut_passages(document, 45)] == ["。"] * len(cut_passages(document, 45))
    teacher = Scripted(lambda messages: written(GOOD_ZH))
    (record,) = records(made(teacher, [text(ZH, language="zh")], tmp_path, pairs_per_passage=1))
    assert (record.instruction, record.output, record.language) == (*GOOD_ZH, "zh")
    assert "只输出一个 JSON 数组" in teacher.asked[0][0].content


def test_only_running_text_is_asked_about_and_short_passages_are_ledgered(tmp_path: Path) -> None:
    teacher = Scripted(lambda messages: written(GOOD))
    results = made(teacher, [question("What?", "That."), text("A short note.")], tmp_path)
    assert teacher.asked == []
    assert [(row.rule, row.action, row.score) for row in rows(results)] == [("short_passage", "dropped", 3.0)]


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("I would rather not.", "unparsable_answer"),
        ('[{"question": "Why?"}]', "malformed_pair"),
        (written(Pair("What does the passage say about bonds?", GOOD.answer)), "refers_to_passage"),
        (
            written(Pair("Is it true that a bond is a loan that an investor makes?", "A bond is a loan that an investor makes.")),
            "too_similar_to_question",
        ),
        (written(Pair("Who invented bonds?", "Venetian merchants did, some time in the twelfth century.")), "ungrounded"),
    ],
)
def test_what_cannot_be_used_is_asked_again_with_the_fault_and_then_quarantined(tmp_path: Path, answer: str, rule: str) -> None:
    teacher = Scripted(lambda messages: answer)
    results = made(teacher, [text(BODY)], tmp_path)
    assert records(results) == []
    assert [(row.rule, row.action, row.record) for row in rows(results)] == [(rule, "quarantined", text(BODY).id)]
    assert all(BODY[:20] not in row.reason for row in rows(results))
    first, second = teacher.asked
    assert [message.role for message in second] == ["user", "assistant", "user"]
    assert second[1].content == answer
    assert second[0] == first[0]


def test_an_answer_that_is_mended_counts(tmp_path: Path) -> None:
    teacher = Scripted(lambda messages: "Sorry." if len(messages) == 1 else written(GOOD))
    results = made(teacher, [text(BODY)], tmp_path)
    assert [record.instruction for record in records(results)] == [GOOD.question]
    assert rows(results) == []


def test_good_pairs_stay_when_others_in_the_answer_are_not(tmp_path: Path) -> None:
    second = Pair("When does the price of a bond fall?", "When market rates rise, the price of a bond with a fixed coupon falls.")
    again = Pair("what does the issuer of a bond pay", GOOD.answer)
    third = Pair("What is a bond?", "A bond is a loan that an investor makes to a company or a government.")
    results = made(Scripted(lambda messages: written(GOOD, again, second, third)), [text(BODY)], tmp_path)
    assert [record.instruction for record in records(results)] == [GOOD.question, second.question]
    assert [(row.rule, row.locator.rpartition(", ")[2]) for row in rows(results)] == [("repeated_question", "pair 2"), ("surplus_pair", "pair 4")]


def test_a_passage_that_the_teacher_refuses_is_ledgered(tmp_path: Path) -> None:
    results = made(Scripted(lambda messages: Failure("The server refused the prompt with status 400.", refused=True)), [text(BODY)], tmp_path)
    assert [(row.rule, row.reason) for row in rows(results)] == [("teacher_failed", "The server refused the prompt with status 400.")]


def test_a_second_try_without_an_answer_fails_the_build_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="left 1 prompt without an answer"):
        made(Scripted(lambda messages: "Sorry." if len(messages) == 1 else Failure("Gone.")), [text(BODY)], tmp_path)


def test_passages_that_are_not_asked_about_are_ledgered(tmp_path: Path) -> None:
    documents = [text(BODY.replace("bond", f"bond{number}"), source=f"{number}.md") for number in range(9)] + [
        text("Short."),
        text(" \n ", title="T"),
    ]
    teacher = Scripted(lambda messages: written(GOOD))
    results = made(teacher, documents, tmp_path, max_passages=4, pairs_per_passage=1, min_grounding=0)
    assert Counter(row.rule for row in rows(results)) == {"not_chosen": 5, "short_passage": 2}
    assert {result.document.source for result in results} == {document.source for document in documents}
    assert {row.action for row in rows(results)} == {"dropped"}
    assert len(teacher.asked) == len(records(results)) == 4


def test_a_passage_that_the_teacher_gives_up_on_is_asked_in_the_next_build(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"left 1 prompt without an answer, the last time so: No answer within 1 seconds\."):
        made(Scripted(lambda messages: Failure("No answer within 1 seconds.")), [text(BODY)], tmp_path)
    assert len(records(made(Scripted(lambda messages: written(GOOD)), [text(BODY)], tmp_path, pairs_per_passage=1))) == 1


def test_an_equal_build_asks_nothing_and_gives_the_same(tmp_path: Path) -> None:
    documents = [text(BODY.replace("bond", f"bond{number}"), source=f"{number}.md") for number in range(20)]
    first = made(Scripted(lambda messages: written(GOOD) if len(messages[-1].content) % 2 else "no"), documents, tmp_path)
    silent = Scripted(lambda messages: pytest.fail("asked again"))
    assert made(silent, documents, tmp_path) == first


def test_at_most_so_many_passages_are_chosen_by_seed_and_content(tmp_path: Path) -> None:
    documents = [text(BODY.replace("bond", f"bond{number}"), source=f"{number}.md") for number in range(30)]

    def chosen(documents: list[Document], seed: int = 0) -> list[str]:
        teacher = Scripted(lambda messages: written(GOOD))
        return [
            record.source for record in records(made(teacher, documents, tmp_path, seed=seed, max_passages=8, pairs_per_passage=1, min_grounding=0))
        ]

    sources = chosen(documents)
    assert len(sources) == 8
    assert sources == sorted(sources, key=lambda source: int(source.removesuffix(".md")))
    assert chosen(documents, seed=1) != sources
    assert set(sources) - {documents[-1].source} <= set(chosen(documents[:-1]))


def test_a_template_of_ones_own_sees_passage_title_language_and_pairs(tmp_path: Path) -> None:
    teacher = Scripted(lambda messages: written(GOOD))
    made(teacher, [text(BODY, title="Bonds")], tmp_path, template="{{ language }} {{ title }} {{ pairs }}: {{ passage }}", pairs_per_passage=1)
    assert teacher.asked[0][0].content == f"en Bonds 1: {BODY}"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ passage", "is not a Jinja template"),
        ("{{ passage }} {{ author }}", "does not render: 'author' is undefined"),
        ("Write {{ pairs }} questions.", "leaves the passage out"),
        ("{{ passage }}{{ ''.__class__.__mro__ }}", "does not render"),
        ("{{ passage }}{% for n in range(999999999) %}{% endfor %}", "does not render"),
    ],
)
def test_a_template_that_cannot_work_is_refused(template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PromptTemplate(template)


@pytest.mark.parametrize(
    "answer",
    [
        '[{"question": "Q?", "answer": "A."}]',
        '```json\n[{"question": "Q?", "answer": "A."}]\n```\nI hope that this helps.',
        '<think>[{"question": "no", "answer": "no"}]</think>{"pairs": [{"Question": "Q?", "Answer": "A."},]}',
        '{"question": " Q? ", "answer": "A."}\n',
        '[{"question": "Q?", "answer": "A."}, {"question": "cut o',
        '{"问题": "Q?", "答案": "A."}',
        "Question: Q?\nAnswer: A.",
        "**Q1:** Q?\n\n**A1:** A.",
        "1. 问：Q?\n   答：A.",
    ],
)
def test_pairs_are_read_however_they_are_wrapped(answer: str) -> None:
    assert read_pairs(answer) == [Pair("Q?", "A.")]


@pytest.mark.parametrize(
    "answer", ["", "nothing", "{" * 5000, '{"a":' * 5000, "[[[[", '{"question"', "null", '"text"', "Question: only\nQuestion: asked"]
)
def test_answers_without_pairs_give_none(answer: str) -> None:
    assert read_pairs(answer) == []


def test_line_breaks_and_numbers_in_json_answers_are_kept() -> None:
    assert read_pairs('[{"question": "How many?", "answer": 7}, {"question": "Which?", "answer": "One.\nTwo."}]') == [
        Pair("How many?", "7"),
        Pair("Which?", "One.\nTwo."),
    ]


def test_grounding_is_the_share_of_neighbouring_tokens() -> None:
    assert tokens_of("Ａ bond's 价格, 5%") == ["a", "bond", "s", "价", "格", "5"]
    assert share_in("the price falls", "When rates rise, the price falls.") == 1.0
    assert share_in("the price rises", "When rates rise, the price falls.") == 0.5
    assert share_in("价格下跌", "债券的价格会下跌") == pytest.approx(2 / 3)
    assert (share_in("1998", "In 1998 it began."), share_in("1999", "In 1998 it began."), share_in("...", "text")) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "asked",
    ["According to the text, what is it?", "What does this excerpt cover?", "根据本文，债券是什么？", "上文提到了什么？", "文中的利率是多少？"],
)
def test_questions_that_point_at_the_passage_are_found(asked: str) -> None:
    fault = find_fault(Pair(asked, BODY[:80]), BODY, 0)
    assert fault is not None
    assert fault.rule == "refers_to_passage"


@pytest.mark.parametrize(
    "asked",
    [
        "What must a document of title contain?",
        "Does the passage of time end a claim?",
        "基本文件有哪些？",
        "合同文本如何归档？",
        "日本文化的特点是什么？",
        "论文中如何引用数据？",
    ],
)
def test_questions_about_documents_do_not_point_at_the_passage(asked: str) -> None:
    assert find_fault(Pair(asked, BODY[:80]), BODY, 0) is None


def test_a_real_endpoint_teaches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    documents = [text(BODY, source="a.md"), text(ZH, source="b.md", language="zh")]
    with serving(lambda request, number: Reply(written(GOOD_ZH if "债券" in request.asked else GOOD), delay=0.1 if number == 0 else 0)) as endpoint:
        spec = Synthesis(pairs_per_passage=1)
        with QuietProgress().task("") as task:
            teacher = OpenAITeacher(OpenAISpec(kind="openai", url=endpoint.url, model="tiny"))
            results = list(synthesize(documents, spec, template=None, teacher=teacher, cache=tmp_path, seed=0, task=task))
    assert [(record.source, record.instruction) for record in records(results)] == [("a.md", GOOD.question), ("b.md", GOOD_ZH.question)]


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from('{}[]":,\n\\qa Question:Answer：问答é1')) | st.text())
def test_any_answer_is_read_without_failing(answer: str) -> None:
    for pair in read_pairs(answer):
        find_fault(pair, BODY, 0.3)


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("# `|\n.。？ab债券") | st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_passages_of_any_text_stand_where_they_say(body: str) -> None:
    document = text(BODY).model_copy(update={"text": body})
    for passage in cut_passages(document, 2):
        assert passage.text == body[passage.span.start : passage.span.end]
        assert passage.text.strip()


def test_lone_surrogates_in_a_pair_are_replaced() -> None:
    assert read_pairs('{"question": "Q \\ud800?", "answer": "\\udfff"}') == [Pair("Q \ufffd?", "\ufffd")]


def test_a_label_with_a_long_run_of_blanks_is_read_in_no_time() -> None:
    began = time.process_time()
    assert read_pairs("Question" + " *" * 20_000 + "\n" + "a" + " " * 40_000) == []
    assert time.process_time() - began < 2
