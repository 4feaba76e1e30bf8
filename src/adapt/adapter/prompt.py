"""Conversations to the text and the token ids that the model sees, the same in training, evaluation and serving.

Enters: a pinned template and the base's tokenizer. Leaves: one Hugging Face chat template, whatever the kind of prompt, and the token ids
that it gives. A server that is handed this template alone renders the same ids, since everything, a default system message included, is in it.
"""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from adapt.errors import InputError
from adapt.records import AlpacaRecord, Message
from adapt.spec.prompt import PinnedPrompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)
_QUESTION, _PROBE = "colour of plums", "jug of pebbles"
_HINT_BODY = "write {{ message['content'] }} for every message"
_RENDERING_ERRORS = (TemplateError, TypeError, ValueError, OverflowError)


@dataclass(frozen=True)
class Example:
    """A record as token ids, four bytes each: `ids[:prompt_length]` is the prompt, the rest the answer with its end token."""

    ids: array[int]
    prompt_length: int
    record_id: str

    @property
    def length(self) -> int:
        """Tokens of prompt and answer."""
        return len(self.ids)


def alpaca_template() -> str:
    """The shipped chat template of kind `alpaca`."""
    return resources.files(__package__).joinpath("alpaca.jinja").read_text(encoding="utf-8")


def effective_template(pinned: PinnedPrompt, tokenizer: PreTrainedTokenizerBase) -> str:
    """The one chat template that `pinned` stands for on this tokenizer: a default system message is part of its text.

    Raises InputError when the tokenizer has no template of its own and `model` asks for it, or the template has no place for a system message.
    """
    if pinned.kind == "model":
        template = _own_template(tokenizer)
    elif pinned.kind == "alpaca":
        start = "{{- bos_token -}}\n" if _starts_with_bos(tokenizer) else ""
        template = start + (pinned.template or alpaca_template())
    else:
        template = pinned.template or ""
    if pinned.system is None:
        return template
    template = _with_system(pinned.system) + template
    if pinned.system.strip() not in Prompt(template, tokenizer).render(_probe()[:1], ask=True):
        raise InputError(
            "prompt.system is set, and the prompt template leaves system messages out", hint="remove prompt.system, or mend the template"
        )
    return template


def _own_template(tokenizer: PreTrainedTokenizerBase) -> str:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not template:
        raise InputError("prompt.kind is 'model', and the base model's tokenizer has no chat template", hint="set prompt.kind to alpaca or file")
    return str(template)


def _starts_with_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]


def _with_system(system: str) -> str:
    """Statements that put `system` before conversations without one. They end in a line break, which Hugging Face's `trim_blocks` removes."""
    text = json.dumps(system, ensure_ascii=False)
    message = f"{{'role': 'system', 'content': {text}}}"
    absent = "not messages or messages[0]['role'] != 'system'"
    return f"{{% if {absent} %}}{{% set messages = [{message}] + messages %}}{{% endif %}}\n"


class Prompt:
    """A chat template on a tokenizer.

    Raises InputError on construction when the template does not render a short conversation, when a conversation does not begin with
    the prompt that asks for its last answer, or when an answer is not ended by a special token, so that generation would not stop.
    """

    def __init__(self, template: str, tokenizer: PreTrainedTokenizerBase) -> None:
        self.template = template
        self.tokenizer = tokenizer
        self._end_token = self._find_end()
        if _starts_with_bos(tokenizer) and self._ids(self.render(_probe()[:1], ask=True))[:1] != [tokenizer.bos_token_id]:
            log.warning("the prompt template does not begin with %s, which this tokenizer puts before other texts", tokenizer.bos_token)

    @cached_property
    def end_ids(self) -> tuple[int, ...]:
        """Token ids at which an answer ends: the template's, then the tokenizer's own end of sequence when that is another one."""
        end = self.tokenizer.convert_tokens_to_ids(self._end_token)
        eos = self.tokenizer.eos_token_id
        return tuple(dict.fromkeys(token for token in (end, eos) if isinstance(token, int)))

    def text(self, messages: Sequence[Message]) -> tuple[str, str]:
        """A conversation whose last turn is the assistant's, as (prompt, completion); the completion ends with the end-of-turn token."""
        prompt, rest = self._split(messages)
        completion, end, _ = rest.rpartition(self._end_token)
        return prompt, completion + end

    def encode(self, record: AlpacaRecord) -> Example:
        """A record as token ids. Prompt and completion are tokenised apart, so that the prompt's ids are those that a server computes."""
        prompt, completion = self.text(record.messages)
        head = self._ids(prompt)
        return Example(ids=array("i", head + self._ids(completion)), prompt_length=len(head), record_id=record.id)

    def encode_question(self, messages: Sequence[Message]) -> list[int]:
        """The token ids that ask for the next answer of a conversation."""
        return self._ids(self.render(messages, ask=True))

    def _find_end(self) -> str:
        """The first special token that follows an answer's content."""
        prompt, rest = self._split(_probe())
        if _QUESTION not in prompt:
            raise InputError(f"the prompt template leaves out what the user says; it rendered {prompt!r}", hint=_HINT_BODY)
        content, found, tail = rest.rpartition(_PROBE)
        if not found:
            raise InputError(f"the prompt template leaves out what the assistant says; it rendered {content + tail!r}", hint=_HINT_BODY)
        special = set(self.tokenizer.all_special_ids) | set(self.tokenizer.added_tokens_decoder)
        for token in self._ids(tail):
            if token in special:
                return str(self.tokenizer.convert_ids_to_tokens(token))
        raise InputError(
            f"the prompt template ends an answer with {tail!r}, which holds no special token of the base's tokenizer, so answers would not stop",
            hint="end the assistant's turn with {{ eos_token }}",
        )

    def _split(self, messages: Sequence[Message]) -> tuple[str, str]:
        prompt = self.render(messages[:-1], ask=True)
        whole = self.render(messages, ask=False)
        if not whole.startswith(prompt):
            raise InputError(
                "the prompt template renders a conversation that does not begin with the prompt that asks for its last answer",
                hint="with add_generation_prompt, end the text with exactly what stands before an assistant's content",
            )
        return prompt, whole[len(prompt) :]

    def render(self, messages: Sequence[Message], *, ask: bool) -> str:
        """The text of a conversation, with the generation prompt when `ask`. Raises InputError when the template fails."""
        turns = [message.model_dump() for message in messages]
        try:
            return str(self.tokenizer.apply_chat_template(turns, chat_template=self.template, tokenize=False, add_generation_prompt=ask))
        except _RENDERING_ERRORS as error:
            raise InputError(f"the prompt template does not render: {error}", hint="mend the template, or choose another prompt.kind") from None

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)


def _probe() -> list[Message]:
    return [Message(role="user", content=_QUESTION), Message(role="assistant", content=_PROBE)]
