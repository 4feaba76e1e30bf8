import pytest

from adapt.dataset.formatters.document import format_document
from adapt.dataset.formatters.instruction import ask, is_question
from adapt.records import AlpacaRecord, Document
from adapt.spec.dataset import DatasetSpec, Headings
from tests.dataset.made import chat, question, text

SPEC = DatasetSpec()


def records(document: Document, spec: DatasetSpec = SPEC) -> list[AlpacaRecord]:
    return [candidate.record for candidate in format_document(document, spec).candidates]


def rules(document: Document) -> list[tuple[str, str]]:
    return [(row.rule, row.locator) for row in format_document(document, SPEC).dropped]


def test_question_becomes_one_record() -> None:
    (record,) = records(question("What is it? ", " A thing.", given="Some figures."))
    assert (record.instruction, record.input, record.output) == ("What is it?", "Some figures.", "A thing.")
    assert (record.source, record.locator) == ("faq.csv", "line 1")


def test_each_section_becomes_a_record_named_by_its_heading_and_title() -> None:
    document = text("# Bonds\n\n## Duration\n\nHow long it takes.\n\n## What is yield?\n\nThe return.")
    first, second = records(document)
    assert (first.instruction, first.output, first.locator) == ("Explain Duration (Bonds).", "How long it takes.", "Bonds > Duration")
    assert (second.instruction, second.output) == ("What is yield?", "The return.")


def test_deeper_headings_stay_in_the_body_of_their_section() -> None:
    (record,) = records(text("# T\n\n## Section\n\nOpening.\n\n### Part\n\nMore."))
    assert record.output == "Opening.\n\n### Part\n\nMore."


def test_sections_are_found_below_a_skipped_level() -> None:
    assert [record.output for record in records(text("# T\n\n### One\n\na\n\n### Two\n\nb"))] == ["a", "b"]


def test_several_top_headings_are_sections_of_their_own() -> None:
    document = text("# One\n\nfirst\n\n# Two\n\nsecond", title="Notes")
    assert [(record.instruction, record.output) for record in records(document)] == [("Explain One.", "first"), ("Explain Two.", "second")]


def test_text_under_a_lone_top_heading_is_its_record() -> None:
    (record,) = records(text("# Escrow\n\nMoney held by a third party."))
    assert (record.instruction, record.output) == ("Explain Escrow.", "Money held by a third party.")


def test_titled_text_without_headings_is_one_record() -> None:
    (record,) = records(text("Money held by a third party.", title="Escrow"))
    assert record.instruction == "Explain Escrow."


def test_text_before_the_first_section_is_ledgered_as_preamble() -> None:
    document = text("# Bonds\n\nWelcome to this page.\n\n## Yield\n\nThe return.")
    assert rules(document) == [("preamble", "Bonds > before the first section")]
    assert [record.output for record in records(document)] == ["The return."]


def test_text_with_neither_title_nor_heading_is_ledgered() -> None:
    assert records(text("Only words.")) == []
    assert rules(text("Only words.")) == [("no_heading", "")]


def test_heading_without_text_is_ledgered() -> None:
    assert rules(text("# T\n\n## Empty\n\n## Full\n\nbody")) == [("empty_section", "T > Empty")]


def test_headings_in_code_fences_are_code() -> None:
    (record,) = records(text("# T\n\n## Script\n\n```sh\n# not a heading\n~~~\n## nor this\n```\n\nAfter."))
    assert record.output == "```sh\n# not a heading\n~~~\n## nor this\n```\n\nAfter."


def test_unclosed_fence_runs_to_the_end() -> None:
    (record,) = records(text("# T\n\n## Script\n\n````\n```\n## code\n"))
    assert "## code" in record.output


def test_hashtags_and_empty_headings_are_text() -> None:
    (record,) = records(text("# T\n\n## S\n\n#tag\n##\n####### seven"))
    assert record.output == "#tag\n##\n####### seven"


def test_marks_of_markdown_are_taken_off_headings() -> None:
    (record,) = records(text("# T\n\n## **Net** `present` [value](http://x.example) of snake_case_names ##\n\nbody"))
    assert record.instruction == "Explain Net present value of snake_case_names (T)."


def test_repeated_headings_have_places_of_their_own() -> None:
    assert [record.locator for record in records(text("# T\n\n## Example\n\na\n\n## Example\n\nb"))] == ["T > Example", "T > Example (2)"]


def test_chinese_sections_use_the_chinese_template() -> None:
    document = text("# 债券\n\n## 久期\n\n衡量利率敏感度。\n\n## 什么是收益率\n\n回报。\n\n## 如何计算？\n\n除以价格。", language="zh")
    assert [record.instruction for record in records(document)] == ["请说明“久期”（债券）。", "什么是收益率", "如何计算？"]


@pytest.mark.parametrize(
    "heading",
    [
        "What is a bond",
        "How to file a claim",
        "How many days are there",
        "Which court is right",
        "Yield?",
        "“Why now?”",
        "怎样计提折旧",
        "能退款吗",
        "何谓善意？",
    ],
)
def test_questions_are_known(heading: str) -> None:
    assert is_question(heading)


@pytest.mark.parametrize("heading", ["What the notes cover", "Will writing", "When a customer is late", "Whatever works", "Can openers", "折旧方法"])
def test_noun_phrases_are_not_questions(heading: str) -> None:
    assert not is_question(heading)


def test_numbering_and_closing_marks_do_not_reach_the_instruction() -> None:
    assert ask("1. Scope:", "Guide", "en", Headings()) == "Explain Scope (Guide)."
    assert ask("2. What is scope?", "Guide", "en", Headings()) == "What is scope?"
    assert ask("一、适用范围", "指南", "zh", Headings()) == "请说明“适用范围”（指南）。"
    assert ask("1.5 percent rule", "Guide", "en", Headings()) == "Explain 1.5 percent rule (Guide)."


def test_template_without_a_title_loses_its_bracket_or_is_replaced() -> None:
    assert ask("Scope", "", "en", Headings(en="Tell me about {heading} [in {title}] briefly.")) == "Tell me about Scope briefly."
    assert ask("Scope", "scope", "en", Headings(en="In {title}, what does {heading} mean?")) == "Explain Scope."
    assert ask("Scope", "", "en", Headings(en="Define {heading}.")) == "Define Scope."


def test_braces_in_headings_are_only_text() -> None:
    assert ask("The {title} field", "A {heading}", "en", Headings()) == "Explain The {title} field (A {heading})."


def test_every_answer_of_a_chat_becomes_a_record_with_its_history() -> None:
    document = chat(("system", "Be brief."), ("user", "One?"), ("assistant", "First."), ("user", "Two?"), ("assistant", "Second."))
    first, second = records(document)
    assert (first.instruction, first.output, first.system, first.history, first.locator) == ("One?", "First.", "Be brief.", (), "line 1, turn 1")
    assert (second.instruction, second.history, second.locator) == ("Two?", (("One?", "First."),), "line 1, turn 2")
    assert [record.instruction for record in records(document, DatasetSpec(chat_turns="last"))] == ["Two?"]


def test_messages_of_one_speaker_in_a_row_are_one_turn() -> None:
    (record,) = records(chat(("user", "Look:"), ("user", "what is it?"), ("assistant", "A"), ("assistant", "B")))
    assert (record.instruction, record.output) == ("Look:\n\nwhat is it?", "A\n\nB")


def test_unasked_answers_and_unanswered_questions_are_ledgered() -> None:
    document = chat(("assistant", "Hello!"), ("user", "One?"), ("assistant", "First."), ("user", "Two?"))
    assert len(records(document)) == 1
    assert rules(document) == [("no_question", "line 1, turn 1"), ("no_answer", "line 1, turn 2")]
    assert rules(chat(("system", "Be brief."))) == [("no_answer", "line 1")]


def test_record_ids_cover_all_that_is_trained_on() -> None:
    plain = records(chat(("user", "One?"), ("assistant", "First.")))[0]
    elsewhere = records(chat(("user", "One?"), ("assistant", "First."), source="other.jsonl", line=9))[0]
    with_system = records(chat(("system", "Be brief."), ("user", "One?"), ("assistant", "First.")))[0]
    assert plain.id == elsewhere.id != with_system.id
