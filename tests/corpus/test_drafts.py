import pytest

from adapt.corpus.cleaning.drafts import clean
from adapt.corpus.draft import Draft, Rejected


def cleaned(draft: Draft) -> Draft:
    piece = clean(draft)
    assert isinstance(piece, Draft)
    return piece


def test_draft_with_nothing_to_mend_comes_back_as_it_is() -> None:
    draft = Draft("a.jsonl", "line 1", "question", instruction="什么是利息？", output="利息是借用资金的价格。")
    assert clean(draft) is draft


def test_every_text_of_a_draft_is_cleaned_and_each_edit_names_its_text() -> None:
    draft = Draft("a.jsonl", "line 1", "preference", instruction=" Wh\u00adat? ", output="Itâ€™s ２ %", rejected="cafe\u0301")
    done = cleaned(draft)
    assert (done.instruction, done.output, done.rejected) == ("What?", "It’s 2 %", "café")
    assert [(edit.rule, edit.field, edit.score) for edit in done.edits] == [
        ("normalize_unicode", "instruction", 1),
        ("repair_encoding", "output", 1),
        ("normalize_unicode", "output", 1),
        ("normalize_unicode", "rejected", 1),
    ]


def test_turns_of_a_chat_are_cleaned_in_place() -> None:
    draft = Draft("a.jsonl", "line 1", "chat", messages=(("system", "Be kind."), ("user", "１？ "), ("assistant", "a  b")))
    done = cleaned(draft)
    assert done.messages == (("system", "Be kind."), ("user", "1？"), ("assistant", "a b"))
    assert [(edit.rule, edit.field) for edit in done.edits] == [("normalize_unicode", "turn 2")]


def test_running_text_keeps_the_indentation_of_its_first_line() -> None:
    assert cleaned(Draft("a.md", "", "text", text="\n    code = 1\n\nProse. \n")).text == "    code = 1\n\nProse."


@pytest.mark.parametrize("nothing", ["\u200b", " \n", "\ufeff\u00a0", "<p></p>", "&nbsp;"])
def test_text_without_a_visible_character_is_rejected(nothing: str) -> None:
    held = sum(map(str.isalnum, nothing))
    answer = Rejected("line 2", "missing_field", "The output holds no visible character.", held + len("Why"))
    assert clean(Draft("a.jsonl", "line 2", "question", instruction="Why?", output=nothing)) == answer
    assert clean(Draft("a.md", "", "text", text=nothing)) == Rejected("", "no_content", "The text holds no visible character.", held)


def test_empty_input_or_title_rejects_nothing() -> None:
    done = cleaned(Draft("a.jsonl", "line 1", "question", instruction="Why?", input=" \u200b", output="So."))
    assert done.input == ""


def test_references_that_stand_for_unusual_characters_are_normalised_too() -> None:
    done = cleaned(Draft("a.csv", "row 1", "question", instruction="Why?", output="<p>A&nbsp;&shy;B &#65297;</p>"))
    assert done.output == "A B 1"
    assert [(edit.rule, edit.score) for edit in done.edits] == [("strip_markup", 5), ("normalize_unicode", 2)]
