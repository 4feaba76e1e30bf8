"""Conversations to the text and the token ids that the model sees, the same in training, evaluation and serving.

Enters: a pinned template and the base's tokenizer. Leaves: one Hugging Face chat template, whatever the kind of prompt, and the token ids
that it gives. A server that is handed this template alone renders the same ids, since everything, a default system message included, is in it.
"""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING

from adapt.base.template import PreparedTemplate, control_tokens, prepare_template, render
from adapt.errors import InputError
from adapt.records import AlpacaRecord, Message
from adapt.spec.prompt import PinnedPrompt
from adapt.text.control import escape, escape_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)
_QUESTION, _PROBE = "colour of plums", "jug of pebbles"
_HINT_BODY = "write {{ message['content'] }} for every message"


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


def effective_template(pinned: PinnedPrompt, tokenizer: PreTrainedTokenizerBase) -> PreparedTemplate:
    """The one chat template that `pinned` stands for on this tokenizer: default system message, date and rules are part of its text.

    Raises InputError when the tokenizer has no template of its own and `model` asks for it, and as `prepare_template` does.
    """
    if pinned.kind == "model":
        template = _own_template(tokenizer)
    elif pinned.kind == "alpaca":
        start = "{{- bos_token -}}\n" if _starts_with_bos(tokenizer) else ""
        template = start + (pinned.template or alpaca_template())
    else:
        template = pinned.template or ""
    day = None if pinned.date is None else pinned.date.isoformat()
    return prepare_template(template, tokenizer, system=pinned.system, day=day, without_place=pinned.system_without_place)


def _own_template(tokenizer: PreTrainedTokenizerBase) -> str:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    if not template:
        raise InputError("prompt.kind is 'model', and the base model's tokenizer has no chat template", hint="set prompt.kind to alpaca or file")
    return str(template)


def _starts_with_bos(tokenizer: PreTrainedTokenizerBase) -> bool:
    return tokenizer.bos_token_id is not None and tokenizer("a").input_ids[:1] == [tokenizer.bos_token_id]


class Prompt:
    """A chat template on a tokenizer.

    Raises InputError on construction when the template does not render a short conversation, when a conversation does not begin with
    the prompt that asks for its last answer, or when an answer is not ended by a special token, so that generation would not stop.
    """

    def __init__(self, template: str | PreparedTemplate, tokenizer: PreTrainedTokenizerBase) -> None:
        self.template = template if isinstance(template, str) else template.text
        self.prepared = template if isinstance(template, PreparedTemplate) else None
        """What was decided about the template, where it was made of a spec just now."""
        self.tokenizer = tokenizer
        self.altered: set[str] = set()
        """Ids of encoded records of which the rendered text does not hold every message as it is."""
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
        """A record as token ids: the prompt's are those that a server computes, the answer's those of the whole text behind them.

        Raises InputError when the tokenizer joins prompt and answer into one token that cannot be divided.
        """
        prompt, completion = self.text(record.messages)
        head = self._ids(prompt)
        self._check_plain(record)
        if not self.is_whole(record.messages, prompt + completion):
            self.altered.add(record.id)
        return Example(ids=array("i", head + self._answer_ids(head, prompt, completion)), prompt_length=len(head), record_id=record.id)

    def _answer_ids(self, head: list[int], prompt: str, completion: str) -> list[int]:
        """The ids with which the whole text goes on behind `head`, the prompt's.

        Tokenised apart, an answer would begin with a space of its own under tokenizers of the SentencePiece kind. Where the whole text has a token
        across the border, such as one of two line breaks, the answer is tokenised behind another beginning, by which it reads the same.
        """
        whole = self._ids(prompt + completion)
        if whole[: len(head)] == head:
            return whole[len(head) :]
        wanted = self._decoded(whole)
        for ids in self._continuations(completion):
            if self._decoded(head + ids) == wanted:
                return ids
        raise InputError(
            f"the tokenizer makes one token of the prompt's end and the answer's beginning: {prompt[-8:]!r}, {completion[:8]!r}",
            hint="let the prompt template end in a special token, or in a line break",
        )

    def _continuations(self, text: str) -> Iterator[list[int]]:
        """Ways to tokenise a `text` that goes on from another one: behind a special token, behind several letters, and by itself."""
        for before in (self._end_token, "\n", "a", ".", "中"):
            first, both = self._ids(before), self._ids(before + text)
            if both[: len(first)] == first:
                yield both[len(first) :]
        yield self._ids(text)

    def _decoded(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))

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
        return render(self.template, self.tokenizer, [message.model_dump() for message in messages], ask=ask)

    @cached_property
    def _control(self) -> list[tuple[str, str]]:
        """Control tokens, and what is written in their place where a text has them."""
        return escape_pairs(control_tokens(self.template, self.tokenizer))

    def escape(self, text: str) -> str:
        """`text` as a message holds it when it is rendered: its control tokens are plain words."""
        return escape(text, self._control)

    def has_control(self, record: AlpacaRecord) -> bool:
        """Whether a text of `record` holds a control token."""
        texts = [message.content for message in record.messages] + [record.rejected]
        return any(token in text for text in texts for token, _ in self._control)

    def _check_plain(self, record: AlpacaRecord) -> None:
        """Raise InputError where a tokenizer's normaliser makes a control token of words that are none, such as the same in capitals."""
        if not self._normalized:
            return
        ids = {number for message in record.messages for number in self._ids(self.escape(message.content))}
        if found := sorted(ids & self._normalized):
            tokens = ", ".join(map(str, self.tokenizer.convert_ids_to_tokens(found)))
            raise InputError(
                f"record {record.id[:12]} holds what the base's tokenizer reads as the control token {tokens}",
                hint="edit the raw text",
            )

    @cached_property
    def _normalized(self) -> set[int]:
        """Ids of control tokens that are looked for in normalised text."""
        if self.tokenizer.backend_tokenizer.normalizer is None:
            return set()
        control = {token for token, _ in self._control}
        return {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.normalized and token.content in control}

    def is_whole(self, messages: Sequence[Message], text: str) -> bool:
        """Whether all that is said stands in the rendered `text`, in order; spaces at the ends of a message do not count."""
        place = 0
        for message in messages:
            words = self.escape(message.content).strip()
            if (place := text.find(words, place)) < 0:
                return False
            place += len(words)
        return True

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)


def _probe() -> list[Message]:
    return [Message(role="user", content=_QUESTION), Message(role="assistant", content=_PROBE)]
