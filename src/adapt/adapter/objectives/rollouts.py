"""Answers that a model gives to its own training questions, and what they are worth: what PPO and GRPO learn from.

Enters: questions. Leaves: answers drawn from the model as it is, with their rewards and their tokens' log-likelihoods under the model of the start,
whose weights are kept aside and set for one pass: no second model is in memory.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from adapt.adapter.batches import pack_sorted
from adapt.adapter.generation import Sampling, generate
from adapt.adapter.head import Head, find_head
from adapt.adapter.methods.attached import Attached
from adapt.adapter.objectives.likelihood import token_logprobs
from adapt.adapter.objectives.objective import Loss, Objective
from adapt.adapter.objectives.rewards import Rewards
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.states import States, Tokens, states_of
from adapt.records import AlpacaRecord
from adapt.spec.objective import GrpoObjective, PpoObjective


@dataclass(frozen=True)
class Question:
    """What the model is asked."""

    ids: tuple[int, ...]
    record: AlpacaRecord
    longest_answer: int

    @property
    def record_id(self) -> str:
        return self.record.id

    @property
    def length(self) -> int:
        """With one answer; batches are cut again when the answers are there."""
        return len(self.ids) + self.longest_answer


@dataclass(frozen=True)
class Answered:
    """A question with an answer of the model, and what that is worth."""

    example: Example
    reward: float

    @property
    def record_id(self) -> str:
        return self.example.record_id

    @property
    def length(self) -> int:
        return self.example.length


@dataclass(frozen=True)
class Rollout(Answered):
    """An answer that is learnt from, and what is known of it. Tensors are (answer tokens,), float32 on the CPU."""

    advantages: Tensor
    before: Tensor
    """Log-likelihoods under the model that answered."""
    start: Tensor
    """Log-likelihoods under the model of the start; those of `before` where none is asked for."""
    values: Tensor
    """What the value head expected before each token; zeros without one."""
    returns: Tensor
    """What came of it."""


class Measured(Answered):
    """A validation question with the likeliest answer."""


Passed = Question | Rollout | Measured


class RolloutObjective(Objective[Passed]):
    """What PPO and GRPO share. The validation loss is the mean reward of greedy answers, with a minus."""

    def __init__(self, spec: PpoObjective | GrpoObjective, prompt: Prompt, rewards: Rewards, *, batch_tokens: int) -> None:
        self._spec, self._prompt, self._rewards, self._batch_tokens = spec, prompt, rewards, batch_tokens
        self._start: dict[str, Tensor] = {}
        """The adapter's weights before the first step."""
        self.repeats = spec.inner_iterations

    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[Passed]:
        return [Question(tuple(prompt.encode_question(record.messages[:-1])), record, self._spec.max_new_tokens)]

    def sequences(self, items: Sequence[Passed]) -> list[Tokens]:
        return [item.ids if isinstance(item, Question) else item.example.ids for item in items]

    def prepare(self, attached: Attached, items: Sequence[Passed]) -> None:
        self._start = _copied(attached)

    def expand(self, attached: Attached, items: Sequence[Passed], *, seed: int) -> Sequence[Passed]:
        training = attached.model.training
        questions = [item for item in items if isinstance(item, Question) for _ in range(self._spec.generations)]
        examples = self._answer(attached, questions, Sampling(self._spec.temperature, seed))
        rewards = self._rewards.of(examples, [question.record for question in questions])
        rollouts = self.rollouts(attached, examples, rewards)
        attached.model.train(training)
        return rollouts

    def measured(self, attached: Attached, items: Sequence[Passed]) -> Sequence[Passed]:
        questions = [item for item in items if isinstance(item, Question)]
        examples = self._answer(attached, questions)
        rewards = self._rewards.of(examples, [question.record for question in questions])
        return [Measured(example, reward) for example, reward in zip(examples, rewards, strict=True)]

    def loss(self, states: States, items: Sequence[Passed], head: Head) -> Loss:
        measured = [item for item in items if isinstance(item, Measured)]
        if measured:
            total = sum(item.reward * self.weight([item]) for item in measured)
            return Loss(torch.tensor(-total, dtype=torch.float32), {"reward": float(total)})
        rollouts = [item for item in items if isinstance(item, Rollout)]
        return self.policy_loss(states, rollouts, token_logprobs(states, [item.example for item in rollouts], self._tempered(head)))

    @abstractmethod
    def rollouts(self, attached: Attached, examples: Sequence[Example], rewards: Sequence[float]) -> list[Passed]:
        """What a step trains on, given answers, those to one question behind each other, and their rewards."""

    @abstractmethod
    def policy_loss(self, states: States, rollouts: Sequence[Rollout], now: Sequence[Tensor]) -> Loss:
        """The loss of `rollouts`, whose answer tokens have log-likelihoods `now`."""

    def before_and_start(self, attached: Attached, examples: Sequence[Example]) -> tuple[list[Tensor], list[Tensor]]:
        """Log-likelihoods of answers' tokens under the model as it is, and under that of the start where that has a price."""
        before = self._logprobs(attached, examples)
        if not self._spec.kl_beta:
            return before, before
        with _set(attached, self._start):
            return before, self._logprobs(attached, examples)

    def passes(self, attached: Attached, examples: Sequence[Example]) -> Iterator[tuple[list[int], States]]:
        """Hidden states of `examples`, without dropout and without a gradient."""
        attached.model.eval()
        with torch.no_grad():
            for positions in pack_sorted([example.length for example in examples], batch_tokens=self._batch_tokens):
                yield positions, states_of(attached, [examples[position].ids for position in positions])

    def _logprobs(self, attached: Attached, examples: Sequence[Example]) -> list[Tensor]:
        found: dict[int, Tensor] = {}
        with torch.no_grad(), attached.computing():
            head = self._tempered(find_head(attached.causal))
            for positions, states in self.passes(attached, examples):
                parts = token_logprobs(states, [examples[position] for position in positions], head)
                found |= {position: part.cpu() for position, part in zip(positions, parts, strict=True)}
        return [found[position] for position in range(len(examples))]

    def _tempered(self, head: Head) -> Head:
        """The head whose likelihoods are those that answers are drawn by."""
        temperature = self._spec.temperature
        return replace(head, scale=head.scale / temperature, softcap=head.softcap and head.softcap / temperature)

    def _answer(self, attached: Attached, questions: Sequence[Question], sampling: Sampling | None = None) -> list[Example]:
        """Questions with the model's answers, which end with the end token that the model drew where it ended them."""
        attached.model.eval()
        with attached.computing():
            answers = generate(
                attached.model,
                self._prompt.tokenizer,
                [question.ids for question in questions],
                max_new_tokens=self._spec.max_new_tokens,
                batch_tokens=self._batch_tokens,
                end_ids=self._prompt.end_ids,
                keep_end=True,
                sampling=sampling,
            )
        return [
            Example(ids=array("i", [*question.ids, *answer]), prompt_length=len(question.ids), record_id=question.record_id)
            for question, answer in zip(questions, answers, strict=True)
        ]


def clipped(ratios: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """-min(r A, clip(r) A) of each token (Schulman et al. 2017, arXiv:1707.06347)."""
    return -torch.minimum(ratios * advantages, ratios.clamp(1 - clip, 1 + clip) * advantages)


def joined(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """All answers' tokens behind each other, on the device of `like`."""
    return torch.cat(list(parts)).to(like.device)


def _copied(attached: Attached) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in attached.weights.items()}


@contextmanager
def _set(attached: Attached, weights: dict[str, Tensor]) -> Iterator[None]:
    """The adapter with other weights while it is open."""
    own = _copied(attached)
    _load(attached, weights)
    try:
        yield
    finally:
        _load(attached, own)


def _load(attached: Attached, weights: dict[str, Any]) -> None:
    for name, weight in attached.weights.items():
        weight.data.copy_(weights[name])
