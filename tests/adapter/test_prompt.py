from pathlib import Path

import pytest

from adapt.adapter.prompt import Prompt, effective_template
from adapt.base.load import load_tokenizer
from adapt.errors import InputError
from adapt.records import Message
from adapt.spec.prompt import PinnedPrompt
from tests.adapter.trainings import BASE, record
from tests.tiny import CHAT_TEMPLATE


@pytest.fixture
def tokenizer(workspace: Path):
    return load_tokenizer(workspace / BASE)


def _prompt(tokenizer, **pinned) -> Prompt:
    return Prompt(effective_template(PinnedPrompt(**pinned), tokenizer), tokenizer)


def test_the_models_own_template_is_used_as_it_is(tokenizer) -> None:
    prepared = effective_template(PinnedPrompt(kind="model"), tokenizer)
    assert prepared.text.endswith(CHAT_TEMPLATE)
    for asked in (record("Q", "A"), record("什么是债券？", " a loan", system="Be brief.", history=(("hi", "hello\n"),))):
        own, pinned = Prompt(CHAT_TEMPLATE, tokenizer), Prompt(prepared, tokenizer)
        assert own.encode(asked) == pinned.encode(asked)


def test_an_example_is_the_rendered_conversation_up_to_the_end_token(tokenizer) -> None:
    example = _prompt(tokenizer, kind="model").encode(record("什么是债券？", "债券是债。", input="看图", system="简短", history=(("hi", "hello"),)))
    text = (
        "<|im_start|>system\n简短<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n"
        "<|im_start|>user\n什么是债券？\n\n看图<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.decode(example.ids[: example.prompt_length]) == text
    assert tokenizer.decode(example.ids[example.prompt_length :]) == "债券是债。<|im_end|>"


def test_the_prompt_of_an_example_has_the_ids_of_the_question(tokenizer) -> None:
    prompt, asked = _prompt(tokenizer, kind="alpaca"), record("What is a bond?", " a loan")
    example = prompt.encode(asked)
    assert list(example.ids[: example.prompt_length]) == prompt.encode_question(asked.messages[:-1])


@pytest.mark.parametrize("kind", ["model", "alpaca"])
def test_a_default_system_message_is_part_of_the_template(tokenizer, kind: str) -> None:
    system = 'Say "yes" {{ or }} {% no %}\n\\ 简短 😀'
    prompt = _prompt(tokenizer, kind=kind, system=system)
    bare = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], chat_template=prompt.template, tokenize=False)
    assert system in bare
    own = tokenizer.apply_chat_template(
        [{"role": "system", "content": "mine"}, {"role": "user", "content": "hi"}], chat_template=prompt.template, tokenize=False
    )
    assert "mine" in own
    assert system not in own


def test_a_default_system_message_equals_the_same_message_given(tokenizer) -> None:
    messages = [Message(role="system", content="Be brief."), Message(role="user", content="hi")]
    turns = "  {% for m in messages %}\n{{ m['role'] }}: {{ m['content'] }}{{ eos_token }}\n{% endfor %}\n"
    template = turns + "{% if add_generation_prompt %}assistant: {% endif %}"
    plain, with_default = _prompt(tokenizer, kind="file", template=template), _prompt(tokenizer, kind="file", template=template, system="Be brief.")
    assert with_default.encode_question(messages[1:]) == plain.encode_question(messages) == with_default.encode_question(messages)


def test_alpaca_has_its_preamble_or_the_system_message(tokenizer) -> None:
    prompt = _prompt(tokenizer, kind="alpaca")
    text, completion = prompt.text(record("What is a bond?", "A loan.").messages)
    assert text.startswith("Below is an instruction that describes a task.")
    assert text.endswith("\n\n### Instruction:\nWhat is a bond?\n\n### Response:\n")
    assert completion == "A loan.<|im_end|>"
    assert prompt.text(record("Q", "A", system="Be brief.").messages)[0].startswith("Be brief.\n\n### Instruction:\nQ")


def test_alpaca_begins_with_the_start_token_of_a_tokenizer_that_wants_one(tokenizer) -> None:
    from tokenizers import processors

    assert not _prompt(tokenizer, kind="alpaca").text(record("Q", "A").messages)[0].startswith(tokenizer.bos_token)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing("<|im_start|> $A", special_tokens=[("<|im_start|>", 1)])
    assert tokenizer("a").input_ids[0] == tokenizer.bos_token_id
    ids = _prompt(tokenizer, kind="alpaca").encode(record("Q", "A")).ids
    assert list(ids).count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id


def test_answers_end_at_the_templates_token_and_at_the_tokenizers(tokenizer) -> None:
    template = "{% for m in messages %}{{ m['content'] }}<|endoftext|>{% endfor %}"
    assert _prompt(tokenizer, kind="model").end_ids == (tokenizer.eos_token_id,)
    assert _prompt(tokenizer, kind="file", template=template).end_ids == (0, tokenizer.eos_token_id)


def test_an_answer_that_holds_the_end_token_is_not_cut_there(tokenizer) -> None:
    assert _prompt(tokenizer, kind="model").text(record("Q", "one<|im_end|>two").messages)[1] == "one< |im_end|>two<|im_end|>"
    assert Prompt(CHAT_TEMPLATE, tokenizer).text(record("Q", "one<|im_end|>two").messages)[1] == "one<|im_end|>two<|im_end|>"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}", "does not render: .*end of template"),
        ("{{ raise_exception('no systems here') }}", "does not render: no systems here"),
        ("{{ messages[0].name.first }}", "does not render: .*has no attribute"),
        ("{{ ''.__class__.__mro__ }}", "does not render: .*unsafe"),
        ("{% for m in messages %}{{ m['content'] }}{{ '\n' }}{% endfor %}", "holds no special token"),
        ("{% for m in messages %}x{{ eos_token }}{% endfor %}", "leaves out what the user says"),
        ("{{ messages[0]['content'] }}{% if messages[1:] %}x{{ eos_token }}{% endif %}", "leaves out what the assistant says"),
        (
            "{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}{% if add_generation_prompt %}A:{% endif %}",
            "does not begin with the prompt",
        ),
    ],
)
def test_an_unusable_template_is_refused_with_the_reason(tokenizer, template: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _prompt(tokenizer, kind="file", template=template)


def test_a_system_message_that_the_template_leaves_out_is_refused(tokenizer) -> None:
    template = "{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}{{ eos_token }}{% endfor %}"
    with pytest.raises(InputError, match=r"prompt\.system is set, and the prompt template leaves system messages out"):
        _prompt(tokenizer, kind="file", template=template, system="Be brief.")


def test_a_base_without_a_template_needs_another_prompt(tokenizer) -> None:
    tokenizer.chat_template = None
    with pytest.raises(InputError, match="tokenizer has no chat template") as caught:
        _prompt(tokenizer, kind="model")
    assert "alpaca" in str(caught.value.hint)
