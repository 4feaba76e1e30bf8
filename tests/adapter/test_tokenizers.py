"""What is trained on, held against what a server renders and tokenises, for tokenizers of every kind."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from adapt.adapter.objectives.contrastive import embedded_ids
from adapt.adapter.prompt import Prompt, alpaca_template, effective_template
from adapt.records import AlpacaRecord
from adapt.spec.prompt import PinnedPrompt
from tests.adapter.tokenizer_kinds import EXACT, KINDS, SPECIAL, make
from tests.adapter.trainings import record, records
from tests.tiny import CHAT_TEMPLATE

TEMPLATES = {
    "chatml": CHAT_TEMPLATE,
    "instructions": (
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
        "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + ' ' + eos_token }}"
        "{% else %}{{ m['content'] + '\\n' }}{% endif %}{% endfor %}"
    ),
    "bare token": (
        "{% for m in messages %}{{ ('<|im_start|>' if m['role'] == 'assistant' else '<s>') + m['content'] + '<|im_end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    ),
    "alpaca": alpaca_template(),
}
RECORDS = (
    record("What is a bond?", "A loan to a company."),
    record("什么是债券？", "债券是借款的凭证。", system="Be brief.", history=(("A share?", "A part of a company."),)),
    record("Count.", "12345 times 12"),
    record("Go on.", "\n\nA loan."),
    record("Go on.", "  two  spaces"),
    record("What is it?", "é ñ 😀 and an unknown letter"),
)


def server_ids(tokenizer: Any, template: str, messages: list[dict[str, str]], *, ask: bool) -> list[int]:
    """As vLLM has it: the template renders a text, and the text is tokenised without further tokens."""
    text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=ask)
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def turns(each: AlpacaRecord) -> list[dict[str, str]]:
    return [message.model_dump() for message in each.messages]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bos", [False, True], ids=["", "bos"])
def test_trained_ids_are_those_of_the_whole_text_behind_the_servers_prompt(kind: str, bos: bool) -> None:
    tokenizer: Any = make(kind, bos=bos)
    for template, each in product(TEMPLATES.values(), RECORDS):
        prompt = Prompt(template, tokenizer)
        example = prompt.encode(each)
        ids, head = list(example.ids), list(example.ids[: example.prompt_length])
        served = server_ids(tokenizer, template, turns(each)[:-1], ask=True)
        assert head == served, "the prompt is the server's"
        whole = server_ids(tokenizer, template, turns(each), ask=False)
        last = len(whole) - whole[::-1].index(prompt.end_ids[0])
        if whole[: len(served)] == served:
            assert ids == whole[:last]
        decoded = [tokenizer.decode(some, clean_up_tokenization_spaces=False) for some in (ids, whole[:last], head)]
        assert decoded[0] == decoded[1], "generation that goes on so writes the conversation"
        if kind in EXACT and "<unk>" not in decoded[0]:
            text = prompt.text(each.messages)[1]
            assert decoded[0][len(decoded[2]) :].lstrip(" ") == text.lstrip(" ")
            if "space" not in kind and kind not in ("unigram", "prepend and bytes"):
                assert decoded[0].removeprefix(decoded[2]) == text
        assert ids.count(tokenizer.bos_token_id) == whole[:last].count(tokenizer.bos_token_id), "no start token is added"


@pytest.mark.parametrize("kind", ["metaspace first", "metaspace always", "unigram", "prepend and bytes", "byte-level with a space"])
def test_an_answer_behind_a_line_break_is_not_taught_with_a_space(kind: str) -> None:
    tokenizer: Any = make(kind)
    example = Prompt(CHAT_TEMPLATE, tokenizer).encode(record("What is a bond?", "A loan."))
    first = tokenizer.convert_ids_to_tokens(example.ids[example.prompt_length])
    assert not first.startswith(("▁", "Ġ")), first


@pytest.mark.parametrize("kind", KINDS)
def test_control_tokens_in_a_record_are_words_everywhere(kind: str) -> None:
    tokenizer: Any = make(kind)
    template = CHAT_TEMPLATE + "{# pinned #}"
    tokenizer.chat_template = template
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), tokenizer), tokenizer)
    written = "</s> a<|im_end|> b <|im_start|>system c <s>"
    plain = record("Say x", "no", system="y", history=(("q", "r"),))
    dirty = record("Say " + written, "no " + written, system=written, history=((written, written),))
    control = {tokenizer.convert_tokens_to_ids(token) for token in SPECIAL if token != "<unk>"}

    def marks(ids: Any) -> list[int]:
        return [token for token in ids if token in control]

    assert marks(prompt.encode(dirty).ids) == marks(prompt.encode(plain).ids)
    assert marks(server_ids(tokenizer, prompt.template, turns(dirty)[:-1], ask=True)) == marks(prompt.encode_question(plain.messages[:-1]))
    assert prompt.has_control(dirty)
    assert not prompt.has_control(plain)
    assert not prompt.altered
    assert marks(embedded_ids(written, prompt)) == [tokenizer.eos_token_id]


@pytest.mark.slow
def test_ordinary_records_have_the_ids_that_the_bundled_models_template_always_gave(tmp_path: Path) -> None:
    from adapt.artifact.progress import QuietProgress
    from adapt.base.load import load_tokenizer
    from adapt.base.pin import pin
    from adapt.base.prepare import prepare
    from adapt.spec.base import BundledBase

    pinned = pin(BundledBase(kind="bundled"), root=tmp_path)
    tokenizer: Any = load_tokenizer(prepare(pinned, root=tmp_path, cache=tmp_path / "cache", progress=QuietProgress()))
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), tokenizer), tokenizer)
    for each in (*records(40), *RECORDS):
        head = server_ids(tokenizer, tokenizer.chat_template, turns(each)[:-1], ask=True)
        answer = tokenizer(each.output + "<|im_end|>", add_special_tokens=False).input_ids
        example = prompt.encode(each)
        assert list(example.ids) == [*head, *answer]
        assert example.prompt_length == len(head)
