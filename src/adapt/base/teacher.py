"""The base model as a teacher: conversations in, the most likely answers out, on this machine.

Loaded by name, and only when a spec asks for it: the stage that uses it loads no model otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from adapt.base.load import load_model, load_tokenizer, resolve_device
from adapt.base.template import prepare_template, render
from adapt.errors import InputError
from adapt.records import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_PROMPTS_AT_ONCE = 64
_BATCH_TOKENS = 8192


class LocalTeacher:
    """The model in `folder`, a prepared base with a chat template of its own. Weights are read when the first answer is asked for.

    It works in float32, where an answer does not depend on what else is in its batch, and takes the most likely token each time: the same
    prompts give the same answers. `digest` is that of the base, by which answers are kept; `device` is as in
    `adapt.base.load.resolve_device`. Raises InputError for a base without a chat template.
    """

    def __init__(self, folder: Path, *, digest: str, max_tokens: int, name: str = "base", device: str = "auto") -> None:
        self._folder, self._digest, self._max_tokens, self._name, self._device = folder, digest, max_tokens, name, device
        if not self._tokenizer.chat_template:
            raise InputError("the base model has no chat template, so it cannot be a teacher", hint="take a base that was made for conversations")

    @property
    def name(self) -> str:
        """How provenance names the model."""
        return self._name

    @property
    def settings(self) -> Mapping[str, Any]:
        """Which weights answer, and at what length."""
        return {"base": self._digest, "max_tokens": self._max_tokens}

    def ask(self, prompts: Iterable[Sequence[Message]]) -> Iterator[tuple[int, str]]:
        """Number of each prompt, from 0, with its answer. A prompt that leaves no room for an answer in the model's context gets an empty one."""
        numbered = enumerate(prompts)
        while group := list(islice(numbered, _PROMPTS_AT_ONCE)):
            encoded = [(number, self._encode(messages)) for number, messages in group]
            yield from ((number, "") for number, ids in encoded if len(ids) > self._room)
            fitting = sorted(((number, ids) for number, ids in encoded if len(ids) <= self._room), key=lambda entry: len(entry[1]))
            for batch in _batches(fitting, self._max_tokens):
                yield from zip((number for number, _ in batch), self._generate([ids for _, ids in batch]), strict=True)

    @cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self._folder)

    @cached_property
    def _model(self) -> PreTrainedModel:
        return load_model(self._folder, dtype="float32", device=resolve_device(self._device))

    @cached_property
    def _room(self) -> int:
        """Longest prompt, in tokens."""
        context = getattr(self._model.config, "max_position_embeddings", None)
        return int(context) - self._max_tokens if context else 1 << 30

    @cached_property
    def _template(self) -> str:
        """The base's own chat template, with its date pinned and control tokens of messages escaped."""
        template: Any = self._tokenizer.chat_template
        own = template.get("default") if isinstance(template, dict) else template
        return prepare_template(str(own), self._tokenizer, without_place="merge").text

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text = render(self._template, self._tokenizer, turns)
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def _generate(self, prompts: list[list[int]]) -> list[str]:
        """Answers of one batch; prompts are padded on the left."""
        import torch
        from transformers import GenerationConfig

        model, ends = cast(Any, self._model), self._ends
        make = cast(Any, GenerationConfig)  # transformers leaves these without types
        model.generation_config = make(do_sample=False, max_new_tokens=self._max_tokens, eos_token_id=ends, pad_token_id=ends[0])
        longest = max(map(len, prompts))
        ids = torch.tensor([[ends[0]] * (longest - len(prompt)) + prompt for prompt in prompts], device=model.device)
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
        with torch.no_grad():
            rows = model.generate(input_ids=ids, attention_mask=mask)[:, longest:].tolist()
        return [str(self._tokenizer.decode(_until(row, ends), skip_special_tokens=True)) for row in rows]

    @cached_property
    def _ends(self) -> list[int]:
        """Tokens that end an answer: the model's, and the tokenizer's."""
        brought = getattr(self._model.generation_config, "eos_token_id", None)
        found = brought if isinstance(brought, list) else [brought]
        return list(dict.fromkeys(token for token in (*found, self._tokenizer.eos_token_id) if isinstance(token, int)))


def _batches(prompts: list[tuple[int, list[int]]], max_tokens: int) -> Iterator[list[tuple[int, list[int]]]]:
    """Prompts, ascending in length, in batches of a bounded number of padded tokens, one prompt at least."""
    batch: list[tuple[int, list[int]]] = []
    for number, ids in prompts:
        if batch and (len(batch) + 1) * (len(ids) + max_tokens) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append((number, ids))
    if batch:
        yield batch


def _until(row: list[int], ends: list[int]) -> list[int]:
    return row[: next((place for place, token in enumerate(row) if token in ends), len(row))]
