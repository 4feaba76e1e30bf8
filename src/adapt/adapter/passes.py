"""Forward and backward passes over items: losses and their gradients in training, losses alone in validation.

A loss is the mean over the weight of all its items, however many forward passes they are spread over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from adapt.adapter.attention import causal_attention
from adapt.adapter.batches import pack_sorted
from adapt.adapter.distributed.ranks import ALONE, Ranks
from adapt.adapter.head import find_head
from adapt.adapter.methods.attached import Attached
from adapt.adapter.noise import noisy_embeddings
from adapt.adapter.objectives.objective import Item, Loss, Objective
from adapt.adapter.packing import packs
from adapt.adapter.states import Layout, behind_each_other, side_by_side
from adapt.spec.common_train import CommonTrain


@dataclass(frozen=True)
class Outcome:
    """Of several forward passes."""

    losses: list[float]
    """Share of each pass in the loss; their sum is the loss."""
    figures: dict[str, float]
    """Further means, by name."""
    weight: int
    """What the sum of the items' losses was divided by."""
    tokens: int
    """Tokens seen, padding not counted."""

    @property
    def loss(self) -> float:
        """Mean loss of an item's unit of weight."""
        return math.fsum(self.losses)


class Passes:
    """How items of one objective go through one model."""

    def __init__(self, attached: Attached, objective: Objective[Any], settings: CommonTrain, ranks: Ranks = ALONE) -> None:
        """Raises InputError when the model's logits are not those of its head, or packing is asked for and would not be exact."""
        self._attached, self._objective, self._settings, self._ranks = attached, objective, settings, ranks
        with attached.computing():
            self.head = find_head(attached.causal)
        self.packed = packs(attached, settings)

    def cut(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        """`items` in passes of at most `batch_tokens`, in no planned order."""
        passes = pack_sorted([item.length for item in items], batch_tokens=self._settings.batch_tokens, padded=not self.packed)
        return [[items[position] for position in micro] for micro in passes]

    def train(self, passes: Sequence[Sequence[Item]], scaler: torch.amp.GradScaler, *, seed: int) -> Outcome:
        """Leave the gradient of the mean loss on the weights, times the scale of `scaler`; of several processes each has its own passes' share of it.

        Passes after the first have random numbers of their own, made from the step's `seed`, so that it does not matter who runs them.
        """
        attached, settings = self._attached, self._settings
        total = self._objective.weight([item for items in passes for item in items])
        losses: dict[int, Loss] = {}
        tokens = 0
        with attached.attention():
            for number, items, counts in self._ranks.own(passes):
                if number:
                    torch.manual_seed(pass_seed(seed, number))
                layout = self._layout(items)
                with attached.computing(), self._kept(), noisy_embeddings(attached.causal, layout, settings.neftune_alpha):
                    found = self._ranks.forward(partial(self._loss, layout, items))
                    loss = found.total / total if counts else found.total * 0
                self._ranks.backward(scaler.scale(loss))
                if counts:
                    losses[number] = Loss(loss.detach(), found.figures)
                    tokens += layout.tokens
        if self._ranks.first and (penalty := attached.penalty()) is not None:
            torch.autograd.backward(scaler.scale(penalty))
        return self._ranks.joined(outcome_of(list(losses.values()), total, tokens), list(losses), len(passes))

    def measure(self, items: Sequence[Item]) -> Outcome:
        """The mean loss of the model as it answers, without a gradient."""
        attached = self._attached
        losses: dict[int, Loss] = {}
        tokens = 0
        with torch.no_grad(), attached.computing():
            measured = self._objective.measured(attached, items)  # may generate, which pads on the left
        with torch.no_grad(), causal_attention(attached.model), attached.computing():
            total = self._objective.weight(measured)
            passes = self.dealt(self.cut(measured))
            for number, some, counts in self._ranks.own(passes):
                layout = self._layout(some)
                found = self._ranks.forward(partial(self._loss, layout, some))
                if counts:
                    losses[number] = Loss(found.total / total, found.figures)
                    tokens += layout.tokens
        return self._ranks.joined(outcome_of(list(losses.values()), total, tokens), list(losses), len(passes))

    def dealt(self, passes: Sequence[Sequence[Item]]) -> list[Sequence[Item]]:
        """`passes` as the processes of the training run them."""
        return self._ranks.deal(passes, divisible=self._objective.divisible)

    def _loss(self, layout: Layout, items: Sequence[Item]) -> Loss:
        return self._objective.loss(self._attached.states(layout), items, self.head)

    def _layout(self, items: Sequence[Item]) -> Layout:
        arrange = behind_each_other if self.packed else side_by_side
        return arrange(self._objective.sequences(items), self._attached.causal.device.type)

    def _kept(self) -> AbstractContextManager[Any]:
        """Where activations wait for the backward pass."""
        keep: Any = torch.autograd.graph.save_on_cpu
        return keep(pin_memory=True) if self._settings.offload_activations else nullcontext()


def outcome_of(losses: Sequence[Loss], weight: int, tokens: int) -> Outcome:
    """Of passes with these shares in the loss, and these sums of further figures."""
    names = sorted({name for loss in losses for name in loss.figures})
    means = {name: math.fsum(float(loss.figures.get(name, 0.0)) for loss in losses) / weight for name in names}
    return Outcome(torch.stack([loss.total for loss in losses]).tolist() if losses else [], means, weight, tokens)


def pass_seed(seed: int, number: int) -> int:
    """What the random numbers of a step's pass `number` begin with, given the step's seed; those of the first are the step's."""
    return (seed + (number << 52)) % (1 << 63)
