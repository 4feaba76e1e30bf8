import time
from itertools import pairwise
from typing import Any

import pytest

from adapt.dataset.formatters.division import divide, sentences_of
from adapt.dataset.formatters.document import format_document
from adapt.dataset.formatters.estimates import least_tokens, most_tokens
from adapt.dataset.formatters.instruction import ask, is_question
from adapt.dataset.formatters.outline import plain, read_lines_of
from adapt.records import AlpacaRecord, Document, Message
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


@pytest.mark.parametrize("language", ["de", "ja", "th", "und"])
def test_only_chinese_sections_are_asked_for_in_chinese(language: str) -> None:
    page = text("# Anleihen\n\n## Laufzeit\n\nWie lange es dauert.", language=language)
    assert [record.instruction for record in records(page)] == ["Explain Laufzeit (Anleihen)."]
    assert ask("Laufzeit", "", language, Headings(en="In {title}: {heading}?")) == "Explain Laufzeit."


@pytest.mark.parametrize("mark", ["`", "*", "_", "[", "[a](", "**a ", "_a ", "` "])
def test_a_long_line_of_marks_is_read_in_no_time(mark: str) -> None:
    began = time.process_time()
    plain(mark * 8000)
    records(text(f"# {mark * 8000}\n\n## {mark * 100}\n\nbody"))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("mark", [".", "。", " ", ".'", "?\u2026", "。」", "\u3000"])
def test_a_long_run_of_stops_is_divided_in_no_time(mark: str) -> None:
    began = time.process_time()
    for body in (mark * 20_000, "a" + mark * 20_000 + "b"):
        divide(body, len, 100)
        sentences_of(body)
    assert time.process_time() - began < 2


def test_plain_words_are_left_of_marked_ones() -> None:
    assert (
        plain("The **bold** and *sl* ``co`de`` [link](http://a) __un__ ___der___ snake_case_name")
        == "The bold and sl co`de link un der snake_case_name"
    )


def test_a_paragraph_behind_a_mark_is_no_heading() -> None:
    assert [line.level for line in read_lines_of(f"# {'word ' * 300}\n# Short")] == [0, 1]


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


@pytest.mark.parametrize(
    ("document", "asked"),
    [
        (text("# Bonds\n\nA bond is a loan.\n\n## Yield\n\nThe return."), ["Explain Bonds.", "Explain Yield (Bonds)."]),
        (text("A bond is a loan.\n\n## Yield\n\nThe return.", title="Bonds"), ["Explain Bonds.", "Explain Yield (Bonds)."]),
        (text("A bond is a loan.\n\n# Yield\n\nThe return.", title="Bonds"), ["Explain Bonds.", "Explain Yield."]),
    ],
)
def test_text_before_the_first_section_is_asked_for_by_the_title(document: Document, asked: list[str]) -> None:
    found = records(document)
    assert [(record.instruction, record.output) for record in found] == list(zip(asked, ["A bond is a loan.", "The return."], strict=True))
    assert rules(document) == []


def test_text_before_the_first_section_of_an_untitled_document_is_ledgered() -> None:
    document = text("A bond is a loan.\n\n## Yield\n\nThe return.")
    assert rules(document) == [("no_heading", "before the first section")]
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


def test_of_the_last_answer_alone_the_earlier_ones_are_ledgered() -> None:
    document = chat(("user", "One?"), ("assistant", "First."), ("user", "Two?"), ("assistant", "Second."))
    made = format_document(document, DatasetSpec(chat_turns="last"))
    assert [(candidate.record.instruction, candidate.record.history) for candidate in made.candidates] == [("Two?", (("One?", "First."),))]
    assert [(row.rule, row.locator) for row in made.dropped] == [("earlier_answer", "line 1, turn 1")]


@pytest.mark.parametrize(("turns", "words"), [(400, 20), (2000, 1)])
def test_answers_after_more_than_a_record_holds_are_ledgered(turns: int, words: int) -> None:
    said = [message for turn in range(turns) for message in (("user", f"question {turn} " * words), ("assistant", f"answer {turn} " * words))]
    spec = DatasetSpec.model_validate({"lengths": {"max_record_tokens": 256}})
    made = format_document(chat(*said), spec)
    assert len(made.candidates) + len(made.dropped) == turns
    assert {row.rule for row in made.dropped} == {"too_long"}
    assert sum(len(candidate.record.model_dump_json()) for candidate in made.candidates) < 1_000_000
    assert len(" ".join(text for turn in made.candidates[-1].record.history for text in turn).split()) > 256


@pytest.mark.parametrize("said", ["a b c d", "債券是借款。", "-" * 900, "internationalization", "word " * 50])
def test_the_lower_bound_of_tokens_is_below_the_upper_one(said: str) -> None:
    assert 1 <= least_tokens(said) <= most_tokens(said)
    assert least_tokens("") == 0


def test_system_messages_hold_from_where_they_stand() -> None:
    document = chat(("system", "A."), ("user", "One?"), ("assistant", "1"), ("system", "B."), ("user", "Two?"), ("assistant", "2"))
    assert [record.system for record in records(document)] == ["A.", "A.\n\nB."]


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


def pair(**content: Any) -> Document:
    full = {"instruction": "Which is safer?", "output": "The bond.", "rejected": "The share.", **content}
    return Document(id="d" * 64, source="pairs.jsonl", locator="line 1", kind="preference", language="en", **full)


def turns(*said: tuple[str, str]) -> tuple[Message, ...]:
    return tuple(Message.model_validate({"role": role, "content": content}) for role, content in said)


def test_records_carry_licence_and_label_of_their_document() -> None:
    (record,) = records(question("What?", "That.").model_copy(update={"licence": "CC-BY-4.0", "label": "basics"}))
    assert (record.licence, record.label) == ("CC-BY-4.0", "basics")


def test_flattened_history_is_a_transcript_in_the_input() -> None:
    document = chat(("system", "Be brief."), ("user", "One?"), ("assistant", "First."), ("user", "Two?"), ("assistant", "Second."))
    first, second = records(document, DatasetSpec(chat_history="flatten"))
    assert (first.input, second.instruction, second.system, second.history) == ("", "Two?", "Be brief.", ())
    assert second.input == "The conversation so far:\nUser: One?\nAssistant: First."


def test_flattened_chinese_history_names_its_speakers_in_chinese() -> None:
    document = chat(("user", "甲？"), ("assistant", "一。"), ("user", "乙？"), ("assistant", "二。")).model_copy(update={"language": "zh"})
    assert records(document, DatasetSpec(chat_history="flatten"))[1].input == "此前的对话：\n用户：甲？\n助手：一。"


def test_duplicates_are_known_without_the_history_kept_or_flattened() -> None:
    document = chat(("user", "One?"), ("assistant", "First."), ("user", "Two?"), ("assistant", "Second."))
    contents = {format_document(document, DatasetSpec(chat_history=how)).candidates[1].content for how in ("keep", "flatten")}
    assert contents == {"Two?\n\nSecond."}


def test_a_table_stays_in_the_answer_of_its_section() -> None:
    table = "| Rating | Meaning |\n| --- | --- |\n| AAA | safest |"
    (record,) = records(text(f"# Ratings\n\n## The scale\n\nFrom the top:\n\n{table}"))
    assert record.output == f"From the top:\n\n{table}"


def test_a_pair_becomes_a_record_with_the_worse_answer() -> None:
    (record,) = records(pair(), DatasetSpec(form="preference"))
    assert (record.instruction, record.output, record.rejected) == ("Which is safer?", "The bond.", "The share.")
    assert record.id != records(pair(rejected="Neither."), DatasetSpec(form="preference"))[0].id


def test_turns_before_a_pair_are_its_history() -> None:
    document = pair(messages=turns(("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi."), ("user", "left open")))
    (kept,) = records(document, DatasetSpec(form="preference"))
    assert (kept.system, kept.history) == ("Be brief.", (("Hello", "Hi."),))
    (flat,) = records(document, DatasetSpec(form="preference", chat_history="flatten"))
    assert (flat.input, flat.history) == ("The conversation so far:\nUser: Hello\nAssistant: Hi.", ())


def test_a_pair_gives_instructions_its_better_answer() -> None:
    (record,) = records(pair())
    assert (record.output, record.rejected) == ("The bond.", "")


def test_what_has_no_pair_is_ledgered_in_a_set_of_pairs() -> None:
    spec = DatasetSpec(form="preference")
    for document in (question("What?", "That."), chat(("user", "a"), ("assistant", "b")), text("# T\n\nbody"), pair(rejected=" The bond. ")):
        made = format_document(document, spec)
        assert (made.candidates, [row.rule for row in made.dropped]) == ([], ["no_pair"])


def test_running_text_is_taken_as_it_is() -> None:
    (record,) = records(text("# Bonds\n\nA bond is a loan.\n", title="Bonds"), DatasetSpec(form="text"))
    assert (record.instruction, record.output, record.locator) == ("", "# Bonds\n\nA bond is a loan.", "")


def test_questions_and_chats_are_ledgered_in_a_set_of_running_text() -> None:
    spec = DatasetSpec(form="text")
    for document in (question("What?", "That."), chat(("user", "a"), ("assistant", "b")), pair()):
        assert [row.rule for row in format_document(document, spec).dropped] == ["not_text"]


def test_long_running_text_is_divided_where_its_locators_say() -> None:
    body = "\n\n".join(f"## Part {number}\n\n" + "Rates rise and prices fall. " * 12 for number in range(8))
    made = records(text(body), DatasetSpec(form="text", lengths={"max_record_tokens": 256}))
    assert len(made) > 3
    for record in made:
        start, end = (int(place) for place in record.locator.removeprefix("characters ").split("-"))
        assert body[start:end] == record.output
        assert record.output.startswith("## Part")
    assert " ".join(record.output for record in made).split() == body.split()


def test_division_prefers_headings_then_paragraphs_then_sentences() -> None:
    def pieces(body: str, limit: int) -> list[str]:
        return [body[span.start : span.end] for span in divide(body, len, limit)]

    assert pieces("# A\n\none\n\ntwo\n\n# B\n\nthree", 16) == ["# A\n\none\n\ntwo", "# B\n\nthree"]
    assert pieces("one one\n\ntwo two\n\nthree", 10) == ["one one", "two two", "three"]
    assert pieces("One is one. Two is two. Three.", 12) == ["One is one.", "Two is two.", "Three."]
    assert pieces("债券是借款。股票是股份。", 7) == ["债券是借款。", "股票是股份。"]
    assert pieces("债券是借款凭证", 4) == ["债券是借", "款凭证"]
    assert pieces("word word word", 10) == ["word word", "word"]


def test_division_keeps_a_heading_with_what_follows_and_a_fence_whole() -> None:
    body = "# Title\n\n## Section\n\nText that is long enough.\n\n```\na\n\nb\n```"
    assert [body[span.start : span.end] for span in divide(body, len, 50)] == [
        "# Title\n\n## Section\n\nText that is long enough.",
        "```\na\n\nb\n```",
    ]


@pytest.mark.parametrize("body", ["", " \n\n ", "x" * 500, "短" * 300, "# only\n\n# headings", "a\u2028b\rc\x0bd " * 40, "```\n" + "code\n" * 80])
def test_division_loses_nothing_but_white_space(body: str) -> None:
    spans = divide(body, len, 20)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    assert "".join("".join(body[span.start : span.end] for span in spans).split()) == "".join(body.split())


def test_an_answer_that_the_data_mark_is_context_and_no_record() -> None:
    turns = (("user", "Open it?"), ("unlearned", "With a hammer."), ("user", "Properly."), ("assistant", "Turn it left."))
    document = chat(*turns)
    for which in ("every", "last"):
        made = format_document(document, DatasetSpec(chat_turns=which))
        (candidate,) = made.candidates
        assert candidate.record.history == (("Open it?", "With a hammer."),)
        assert (candidate.record.instruction, candidate.record.output) == ("Properly.", "Turn it left.")
        assert [(row.rule, row.locator) for row in made.dropped] == [("unlearned_answer", "line 1, turn 1")]


def test_a_conversation_of_marked_answers_makes_no_record() -> None:
    made = format_document(chat(("user", "Open it?"), ("unlearned", "With a hammer.")), SPEC)
    assert made.candidates == []
    assert [row.rule for row in made.dropped] == ["unlearned_answer"]


def test_the_last_answer_is_the_last_that_may_be_learned() -> None:
    document = chat(("user", "Open it?"), ("assistant", "Turn it left."), ("user", "Sure?"), ("unlearned", "No."))
    (candidate,) = format_document(document, DatasetSpec(chat_turns="last")).candidates
    assert candidate.record.output == "Turn it left."


@pytest.mark.parametrize("paired", [True, False])
def test_an_answer_that_is_called_bad_is_learned_by_nobody(paired: bool) -> None:
    document = Document(id="0" * 64, source="k.jsonl", locator="line 1", kind="preference", language="en", instruction="Open it?", rejected="Hit it.")
    made = format_document(document, DatasetSpec(form="preference" if paired else "instruction"))
    assert made.candidates == []
    assert [row.rule for row in made.dropped] == ["bad_answer"]
