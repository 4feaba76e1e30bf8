"""Embeddings of questions and answers by InfoNCE (van den Oord et al. 2018, arXiv:1807.03748).

A question is drawn to its answer and away from the other answers of the batch, and from worse answers where records are pairs.

Texts are embedded as they are, without the chat template. Answers that equal the right one, and those to an equal question, are no negatives.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from adapt.adapter.head import Head
from adapt.adapter.objectives.objective import Loss, Objective
from adapt.adapter.prompt import Prompt
from adapt.adapter.states import States, Tokens
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.objective import ContrastiveObjective

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Match:
    """A question, its answer, and a worse one where there is one, as token ids."""

    question: tuple[int, ...]
    answer: tuple[int, ...]
    worse: tuple[int, ...] | None
    record_id: str

    @property
    def length(self) -> int:
        return len(self.question) + len(self.answer) + len(self.worse or ())


class Contrastive(Objective[Match]):
    """-log softmax of the cosine of question and answer over all answers of the forward pass, divided by a temperature; the mean over questions."""

    divisible = False

    def __init__(self, spec: ContrastiveObjective) -> None:
        self._temperature, self._pooling = spec.temperature, spec.pooling

    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[Match]:
        worse = embedded_ids(record.rejected, prompt) if record.rejected else None
        return [Match(embedded_ids(record.question, prompt), embedded_ids(record.output, prompt), worse, record.id)]

    def weight(self, items: Sequence[Match]) -> int:
        return len(items)

    def sequences(self, items: Sequence[Match]) -> list[Tokens]:
        """Questions, answers, worse answers."""
        return [*(item.question for item in items), *_texts(items)]

    def check_passes(self, passes: Sequence[Sequence[Match]]) -> None:
        empty = sum(not _has_negatives(items) for items in passes)
        if empty == len(passes):
            raise InputError(
                "every forward pass holds one question or equal ones, so no answer is told apart from another and nothing would be learnt",
                hint="raise train.batch_tokens, so that several records stand in a pass",
            )
        if empty:
            log.warning("%d of %d forward passes of an epoch hold one question or equal ones, and teach nothing", empty, len(passes))

    def loss(self, states: States, items: Sequence[Match], head: Head) -> Loss:
        embedded = pooled(states, self.sequences(items), self._pooling)
        cosines = embedded[: len(items)] @ embedded[len(items) :].T / self._temperature
        logits = cosines.masked_fill(_no_negatives(items).to(cosines.device), float("-inf"))
        wanted = torch.arange(len(items), device=logits.device)
        return Loss(cross_entropy(logits, wanted, reduction="sum"), {"accuracy": float((logits.argmax(-1) == wanted).sum())})


def embedded_ids(text: str, prompt: Prompt) -> tuple[int, ...]:
    """A text's token ids, with those that the tokenizer puts around texts and an end token, whose state sums the text up. Control tokens in
    the text are plain words.

    Raises InputError for a tokenizer without one.
    """
    ids = list(prompt.tokenizer(prompt.escape(text)).input_ids)
    end = prompt.tokenizer.eos_token_id
    if end is None:
        raise InputError("the base's tokenizer has no end-of-sequence token, with which texts end", hint="choose another base, or objective sft")
    return tuple(ids if ids[-1:] == [end] else [*ids, end])


def pooled(states: States, sequences: Sequence[Tokens], pooling: str) -> Tensor:
    """Embeddings (sequences, size) of length one, in float32."""
    rows = [states.hidden[start : start + len(tokens)] for start, tokens in zip(states.starts, sequences, strict=True)]
    vectors = [part.float().mean(0) if pooling == "mean" else part[-1].float() for part in rows]
    return normalize(torch.stack(vectors), dim=-1)


def _texts(items: Sequence[Match]) -> list[tuple[int, ...]]:
    """What a question is held against: every answer, then every worse one."""
    return [item.answer for item in items] + [item.worse for item in items if item.worse is not None]


def _has_negatives(items: Sequence[Match]) -> bool:
    """Whether some question has a text to be held against besides its own answer."""
    equal = _no_negatives(items)
    others = torch.ones_like(equal)
    others.fill_diagonal_(fill_value=False)
    return bool((others & ~equal).any())


def _no_negatives(items: Sequence[Match]) -> Tensor:
    """(questions, texts): true where a text would be a right answer to a question whose own answer stands elsewhere."""
    texts = _texts(items)
    equal = torch.zeros(len(items), len(texts), dtype=torch.bool)
    for number, item in enumerate(items):
        for place, text in enumerate(texts):
            same_question = place < len(items) and items[place].question == item.question
            equal[number, place] = place != number and (text == item.answer or same_question)
    return equal
