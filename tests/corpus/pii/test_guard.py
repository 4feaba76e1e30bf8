import pickle

import pytest

from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.pii.guard import Guard
from adapt.corpus.pii.kinds import without_tags
from adapt.errors import InputError
from adapt.spec.pii import Pii


def draft(**texts: object) -> Draft:
    """A question with the given texts."""
    return Draft(source="a.jsonl", locator="line 1", kind="question", **texts)  # type: ignore[arg-type]


def protected(guard: Guard, entered: Draft) -> Draft:
    left = guard.protect(entered)
    assert isinstance(left, Draft)
    return left


def test_every_text_of_a_draft_is_masked_with_an_edit_that_says_where() -> None:
    mail = "a@b.com"
    turns = (("user", "hi"), ("assistant", mail))
    entered = draft(title=mail, text="电话13812345678", instruction=mail, input=mail, output="x", rejected=mail, messages=turns)
    left = protected(Guard(Pii()), entered)
    texts = {"title": "[EMAIL]", "text": "电话[PHONE]", "instruction": "[EMAIL]", "input": "[EMAIL]", "output": "x", "rejected": "[EMAIL]"}
    assert left.fields() == texts | {"turn 1": "hi", "turn 2": "[EMAIL]"}
    assert [(edit.rule, edit.field, edit.spans) for edit in left.edits][:2] == [("mask_email", "title", ((0, 7),)), ("mask_phone", "text", ((2, 9),))]
    assert left.edits[-1].reason == "1 e-mail address in turn 2 was replaced by [EMAIL]."


def test_edits_count_and_point_at_the_tags_in_the_text_that_results() -> None:
    left = protected(Guard(Pii()), draft(output="a@b.com, 13812345678 c@d.org"))
    assert left.output == "[EMAIL], [PHONE] [EMAIL]"
    assert left.edits == (
        Edit("mask_email", "2 e-mail addresses in the output were replaced by [EMAIL].", 2, "output", ((0, 7), (17, 24))),
        Edit("mask_phone", "1 telephone number in the output was replaced by [PHONE].", 1, "output", ((9, 16),), characters=11 - 5),
    )


def test_a_draft_without_personal_data_is_passed_on_as_it_is() -> None:
    entered = draft(instruction="头痛怎么办？", output="多休息。")
    assert Guard(Pii()).protect(entered) is entered


def test_what_is_allowed_stays_and_is_nothing_else_either() -> None:
    left = protected(Guard(Pii(cn_id="allow", bank_card="allow")), draft(output="110101199003074717 and 13812345678 and 4111111111111111"))
    assert left.output == "110101199003074717 and [PHONE] and 4111111111111111"


def test_public_addresses_of_machines_stay_unless_the_spec_says_otherwise() -> None:
    entered = draft(output="from 114.114.114.115")
    assert Guard(Pii()).protect(entered) is entered
    assert protected(Guard(Pii(ip="mask")), entered).output == "from [IP]"


def test_drop_refuses_the_draft_and_says_kinds_and_counts_only() -> None:
    guard = Guard(Pii(email="drop", phone="drop"))
    refused = guard.protect(draft(instruction="a@b.com", output="a@b.com 13812345678"))
    assert refused == Rejected("line 1", "personal_data", "Holds 2 e-mail addresses, 1 telephone number.", characters=5 + 5 + 11)


def test_pseudonyms_are_equal_for_one_value_in_every_form_and_differ_by_kind_value_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Pii(email="pseudonym", phone="pseudonym", pseudonym_key="TEAM_KEY")
    monkeypatch.setenv("TEAM_KEY", "a long random text")
    left = protected(Guard(spec), draft(instruction="13812345678", input="+86 138-1234-5678", output="13912345678 A@b.com", rejected="a@B.com"))
    assert left.instruction == left.input
    assert left.output.split()[0] != left.instruction
    assert left.output.split()[1] == left.rejected
    assert left.edits[0] == Edit(
        "pseudonymise_phone", "1 telephone number in the instruction was replaced by pseudonyms.", 1, "instruction", ((0, 16),), characters=11 - 13
    )
    monkeypatch.setenv("TEAM_KEY", "another long random text")
    assert protected(Guard(spec), draft(output="13812345678")).output != left.instruction


@pytest.mark.parametrize(("value", "problem"), [(None, "TEAM_KEY, is not set"), ("short", "TEAM_KEY, has 5 characters, fewer than 16")])
def test_pseudonyms_need_a_key_of_sixteen_characters(monkeypatch: pytest.MonkeyPatch, value: str | None, problem: str) -> None:
    monkeypatch.delenv("TEAM_KEY", raising=False)
    if value:
        monkeypatch.setenv("TEAM_KEY", value)
    with pytest.raises(InputError, match=problem):
        Guard(Pii(email="pseudonym", pseudonym_key="TEAM_KEY"))


def test_no_key_is_read_when_no_kind_gets_pseudonyms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEAM_KEY", raising=False)
    assert protected(Guard(Pii(pseudonym_key="TEAM_KEY")), draft(output="a@b.com")).output == "[EMAIL]"


def test_a_guard_survives_the_way_to_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", "a long random text")
    guard = Guard(Pii(email="pseudonym", pseudonym_key="TEAM_KEY"))
    there = pickle.loads(pickle.dumps(guard))
    monkeypatch.delenv("TEAM_KEY")
    assert there.protect(draft(output="a@b.com")) == guard.protect(draft(output="a@b.com"))


def test_tags_and_pseudonyms_can_be_left_out_of_a_text() -> None:
    assert without_tags("写信给[EMAIL]或[PHONE_0a1b2c3d]，见[1]和[NOTE]") == "写信给 或 ，见[1]和[NOTE]"
