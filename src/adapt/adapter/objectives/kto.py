"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv:2402.01306): each answer is good or bad by itself.

An answer's value is a sigmoid of its implicit reward, held against the divergence from the start. The paper estimates that divergence by questions
with answers to other questions; here each item has one such partner, fixed before the first step, of like length so that batches stay as planned.
The estimate is the mean over a forward pass, so the loss depends on what is in one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adapt.adapter.head import Head
from adapt.adapter.methods.attached import Attached
from adapt.adapter.objectives.likelihood import answer_logprobs
from adapt.adapter.objectives.objective import Loss, Objective
from adapt.adapter.objectives.preference import encode_pair, reference_logprobs
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.states import States, Tokens
from adapt.records import AlpacaRecord
from adapt.spec.objective import KtoObjective

Key = tuple[str, bool]


@dataclass(frozen=True)
class Judged:
    """An answer, and whether it is a good one."""

    example: Example
    good: bool

    @property
    def record_id(self) -> str:
        return self.example.record_id

    @property
    def key(self) -> Key:
        """What tells it from every other item."""
        return self.record_id, self.good

    @property
    def length(self) -> int:
        """With its partner, whose answer is about as long."""
        return 2 * self.example.length


@dataclass(frozen=True)
class _Before:
    """What is known of an item before the first step."""

    partner: Example
    """Its question with an answer to another one."""
    own: float
    """Log-likelihood of its answer under the start."""
    partners: float
    """That of its partner's."""


class Kto(Objective[Judged]):
    """w (1 - v), with v = sigmoid(beta (h - z)) for good answers and sigmoid(beta (z - h)) for bad ones.

    h is an answer's log-ratio to the start, z the divergence from it.
    """

    divisible = False  # the divergence is the mean of a pass

    def __init__(self, spec: KtoObjective, *, batch_tokens: int) -> None:
        self._beta, self._good, self._bad = spec.beta, spec.desirable_weight, spec.undesirable_weight
        self._batch_tokens = batch_tokens
        self._before: dict[Key, _Before] = {}

    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[Judged]:
        pair = encode_pair(record, prompt, objective="kto")
        return [Judged(pair.better, good=True), Judged(pair.worse, good=False)]

    def weight(self, items: Sequence[Judged]) -> int:
        return len(items)

    def prepare(self, attached: Attached, items: Sequence[Judged]) -> None:
        chosen = list({item.key: item for item in items}.values())
        partners = _partners(chosen)
        sums = reference_logprobs(attached, [item.example for item in chosen] + partners, batch_tokens=self._batch_tokens)
        for item, partner, own, others in zip(chosen, partners, sums[: len(chosen)], sums[len(chosen) :], strict=True):
            self._before[item.key] = _Before(partner, own, others)

    def sequences(self, items: Sequence[Judged]) -> list[Tokens]:
        return [example.ids for example in self._examples(items)]

    def loss(self, states: States, items: Sequence[Judged], head: Head) -> Loss:
        own, others = answer_logprobs(states, self._examples(items), head).split(len(items))
        before = [self._before[item.key] for item in items]
        rewards = own.sums - own.sums.new_tensor([each.own for each in before])
        drift = (others.sums.detach() - others.sums.new_tensor([each.partners for each in before])).mean().clamp(min=0)
        good = torch.tensor([item.good for item in items], device=rewards.device)
        losses = kto_losses(rewards, drift, good, beta=self._beta, good_weight=self._good, bad_weight=self._bad)
        signs = torch.where(good, 1.0, -1.0)
        return Loss(losses.sum(), {"accuracy": float((signs * rewards > 0).sum()), "divergence": float(drift) * len(items)})

    def _examples(self, items: Sequence[Judged]) -> list[Example]:
        """Items' own answers, then their partners' once these are chosen."""
        return [item.example for item in items] + [self._before[item.key].partner for item in items if item.key in self._before]


def kto_losses(rewards: Tensor, drift: Tensor, good: Tensor, *, beta: float, good_weight: float, bad_weight: float) -> Tensor:
    """Loss of each answer. `rewards` (answers,) are log-ratios to the start, `drift` the divergence, `good` (answers,) says which are good."""
    signs, weights = torch.where(good, 1.0, -1.0), torch.where(good, good_weight, bad_weight)
    return weights * (1 - torch.sigmoid(beta * signs * (rewards - drift)))


def _partners(items: Sequence[Judged]) -> list[Example]:
    """Each item's question with the answer of the next item in the order of their answers' lengths that is of another record."""
    order = sorted(range(len(items)), key=lambda number: (items[number].example.length - items[number].example.prompt_length, items[number].key))
    partners: dict[int, Example] = {}
    for place, number in enumerate(order):
        following = (order[(place + further) % len(order)] for further in range(1, len(order) + 1))
        other = next((each for each in following if items[each].record_id != items[number].record_id), number)
        own, answer = items[number].example, items[other].example
        ids = array("i", [*own.ids[: own.prompt_length], *answer.ids[answer.prompt_length :]])
        partners[number] = Example(ids=ids, prompt_length=own.prompt_length, record_id=own.record_id)
    return [partners[number] for number in range(len(items))]
