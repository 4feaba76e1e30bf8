import datetime
from pathlib import Path
from typing import Any

import pytest

from adapt.adapter.prompt import Prompt, effective_template
from adapt.base.load import load_tokenizer
from adapt.base.template import DEFAULT_DATE, control_tokens, prepare_template
from adapt.errors import InputError
from adapt.records import Message
from adapt.spec.prompt import PinnedPrompt
from adapt.text.control import escape, escape_pairs
from tests.tiny import CHAT_TEMPLATE, tiny_base

DATED = (
    "{%- if strftime_now is defined %}{% set day = strftime_now('%d %b %Y') %}{% else %}{% set day = 'never' %}{% endif %}"
    "{{ 'Today: ' + day + ', ' + strftime_now('%Y-%m-%d') + eos_token }}" + CHAT_TEMPLATE
)
ASKING = [Message(role="user", content="hi")]
WITH_SYSTEM = [Message(role="system", content="Be brief."), *ASKING]
IGNORING = CHAT_TEMPLATE.replace("in messages", "in messages if message['role'] != 'system'")
REFUSING = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHAT_TEMPLATE


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_tokenizer(tiny_base(tmp_path_factory.mktemp("base")))


def rendered(template: str, tokenizer: Any, messages: list[Message]) -> str:
    """As any program renders the text, today."""
    turns = [message.model_dump() for message in messages]
    return str(tokenizer.apply_chat_template(turns, chat_template=template, tokenize=False, add_generation_prompt=True))


@pytest.mark.parametrize("day", [None, "2031-12-24"])
def test_a_template_writes_the_pinned_date_and_never_todays(tokenizer: Any, day: str | None) -> None:
    prepared = prepare_template(DATED, tokenizer, day=day)
    when = datetime.date.fromisoformat(day or DEFAULT_DATE)
    assert prepared.date == when.isoformat()
    text = rendered(prepared.text, tokenizer, ASKING)
    assert text.startswith(f"Today: {when:%d %b %Y}, {when:%Y-%m-%d}<|im_end|>")
    assert rendered(DATED, tokenizer, ASKING).startswith(f"Today: {datetime.datetime.now():%d %b %Y}")


def test_a_date_for_a_template_that_writes_none_is_refused(tokenizer: Any) -> None:
    with pytest.raises(InputError, match=r"prompt\.date is set, and the prompt template writes no date"):
        prepare_template(CHAT_TEMPLATE, tokenizer, day="2030-01-01")
    assert prepare_template(CHAT_TEMPLATE, tokenizer).date is None


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ ['a', 'b'] | random }}" + CHAT_TEMPLATE, "draws at random"),
        ("{{ lipsum(1) }}" + CHAT_TEMPLATE, "draws at random"),
        ("{% set f = '%Y' %}{{ strftime_now(f) }}" + CHAT_TEMPLATE, "in a format that it computes"),
    ],
)
def test_a_template_that_cannot_be_pinned_is_refused(tokenizer: Any, template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare_template(template, tokenizer)


@pytest.mark.parametrize("template", [IGNORING, REFUSING], ids=["ignored", "refused"])
def test_a_system_message_without_a_place_goes_where_the_rule_says(tokenizer: Any, template: str) -> None:
    merged = prepare_template(template, tokenizer, without_place="merge")
    assert merged.system == "merge"
    user = [Message(role="user", content="Be brief.\n\nhi")]
    assert rendered(merged.text, tokenizer, WITH_SYSTEM) == rendered(template, tokenizer, user)
    dropped = prepare_template(template, tokenizer, without_place="drop")
    assert rendered(dropped.text, tokenizer, WITH_SYSTEM) == rendered(template, tokenizer, ASKING)
    refused = prepare_template(template, tokenizer)
    with pytest.raises(InputError, match="no place for a system message"):
        Prompt(refused, tokenizer).encode_question(WITH_SYSTEM)
    for text in (merged.text, dropped.text, refused.text):
        assert rendered(text, tokenizer, ASKING) == rendered(template, tokenizer, ASKING)
    assert prepare_template(CHAT_TEMPLATE, tokenizer, without_place="drop").system == "own"


def test_a_default_system_message_is_merged_too(tokenizer: Any) -> None:
    prepared = prepare_template(REFUSING, tokenizer, system="Be brief.", without_place="merge")
    assert "Be brief.\n\nhi" in rendered(prepared.text, tokenizer, ASKING)


def test_what_a_template_changes_is_noted(tokenizer: Any) -> None:
    from tests.adapter.trainings import record

    cutting = CHAT_TEMPLATE.replace("message['content']", "message['content'].split('THINK')[-1]")
    prompt = Prompt(cutting, tokenizer)
    prompt.encode(record("Q", "A"))
    assert not prompt.altered
    changed = record("Q", "secret THINK A")
    prompt.encode(changed)
    assert prompt.altered == {changed.id}


def test_markers_that_the_template_writes_are_control_though_the_tokenizer_does_not_call_them_special(tokenizer: Any) -> None:
    from tokenizers import AddedToken

    tokenizer.add_tokens([AddedToken("<mark>", special=False), AddedToken("<word>", special=False)])
    template = CHAT_TEMPLATE.replace("{% for", "{{ '<mark>' }}{% for", 1)
    found = control_tokens(template, tokenizer)
    assert "<mark>" in found
    assert "<word>" not in found
    text = rendered(prepare_template(template, tokenizer).text, tokenizer, [Message(role="user", content="<mark> <word>")])
    assert "< mark> <word>" in text


def test_a_token_inside_a_longer_one_and_a_single_character_are_escaped() -> None:
    pairs = escape_pairs(["<a>", "<a><b>", "§", " "])
    assert pairs == [("<a><b>", "< a><b>"), ("<a>", "< a>"), ("§", "")]
    assert escape("x<a><b>§<a>y", pairs) == "x< a><b>< a>y"


def test_messages_of_other_shapes_pass_through(tokenizer: Any) -> None:
    text = prepare_template(CHAT_TEMPLATE.replace("message['content']", "(message['content'] | string)"), tokenizer).text
    parts = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, {"role": "assistant", "content": None, "tool_calls": []}]
    assert "'text': 'hi'" in tokenizer.apply_chat_template(parts, chat_template=text, tokenize=False)


def test_the_spec_reaches_the_template(tokenizer: Any) -> None:
    tokenizer.chat_template = DATED.replace("in messages", "in messages if message['role'] != 'system'")
    pinned = PinnedPrompt(kind="model", date=datetime.date(2030, 5, 6), system_without_place="merge")
    prepared = effective_template(pinned, tokenizer)
    assert (prepared.date, prepared.system) == ("2030-05-06", "merge")


def test_the_local_teacher_reads_control_tokens_as_words(tmp_path: Path) -> None:
    from adapt.base.teacher import LocalTeacher

    base = tiny_base(tmp_path / "base")
    teacher = LocalTeacher(base, digest="0", max_tokens=4, device="cpu")
    ids = teacher._encode([Message(role="user", content="a<|im_end|>b")])
    assert ids.count(load_tokenizer(base).convert_tokens_to_ids("<|im_end|>")) == 1
