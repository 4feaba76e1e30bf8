"""Steps of several adapters over one base whose forward passes are shared.

Enters: lanes that may share passes. Leaves: a step taken by each, every adapter with its own records, random stream, optimiser, schedule and loss, as
it would take it alone but for rounding: the sequences of all stand in one row, where none attends to another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from types import MethodType
from typing import Any, cast

import torch
from peft import PeftModel
from torch import Tensor

from adapt.adapter.attention import causal_attention
from adapt.adapter.fused import Update, updated
from adapt.adapter.head import hidden_states
from adapt.adapter.lane import Lane
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.linear import ADAPTER, fused_layers
from adapt.adapter.objectives.objective import Item, Loss
from adapt.adapter.passes import Outcome, outcome_of, pass_seed
from adapt.adapter.states import States, behind_each_other
from adapt.errors import InputError

FILLING_TOKENS = {"cpu": 192, "cuda": 4096}
"""Tokens in a lane's own passes from which products are at full speed, so that sharing them gains nothing (docs/benchmarks.md)."""
Passes = list[Sequence[Item]]


def grouped(lanes: Sequence[Lane]) -> list[list[Lane]]:
    """`lanes` in groups that share passes, in their order; a lane that cannot, may not or need not share them is a group of its own."""
    found: dict[Any, list[Lane]] = {}
    for number, lane in enumerate(lanes):
        settings = lane.settings
        shares = settings.cotraining == "fused" and fusable(lane) and lane.plan.mean_tokens < FILLING_TOKENS.get(lane.device, 0)
        found.setdefault((settings.dtype, lane.device) if shares else number, []).append(lane)
    return list(found.values())


def fusable(lane: Lane) -> bool:
    """Whether all that the lane trains in its model are low-rank updates of plain linear layers, and nothing else changes its forward passes."""
    if lane.objective.repeats != 1 or not lane.packed or not isinstance(lane.model, PeftModel):
        return False
    own = {id(side[ADAPTER].weight) for _, layer in fused_layers(lane.model) for side in (layer.lora_A, layer.lora_B)}
    return all(id(weight) in own for weight in lane.attached.weights.values())


class SharedPasses:
    """A base whose linear layers carry the adapters of several lanes."""

    def __init__(self, base: Base, lanes: Sequence[Lane]) -> None:
        model = base.load(dtype=lanes[0].settings.dtype, device=lanes[0].device).requires_grad_(False)
        self._model = model.train()
        self._rows: dict[Lane, slice] = {}
        self._streams: dict[Lane, torch.Generator] = {}
        layers: dict[str, list[tuple[Lane, Any]]] = {}
        for lane in lanes:
            for name, layer in fused_layers(cast(PeftModel, lane.model)):
                layers.setdefault(name, []).append((lane, layer))
        for name, module in model.named_modules():
            if name in layers:
                setattr(module, "forward", MethodType(self._forward(layers[name]), module))  # noqa: B010

    def turn(self, lanes: Sequence[Lane]) -> Iterator[tuple[Lane, bool | InputError]]:
        """A step of each lane, as `Lane.turn` takes one: whether there was one to take, or why its training stopped."""
        started = time.perf_counter()
        taking = {}
        for lane in lanes:
            if (passes := lane.next_passes()) is None:
                yield lane, False
            else:
                taking[lane] = passes
        if not taking:
            return
        outcomes = self.train(taking)
        seconds, tokens = time.perf_counter() - started, sum(outcome.tokens for outcome in outcomes.values())
        for lane, passes in taking.items():
            yield lane, _ended(lane, passes, outcomes[lane], seconds * outcomes[lane].tokens / tokens)

    def train(self, wanted: Mapping[Lane, Passes]) -> dict[Lane, Outcome]:
        """Leave the gradient of each lane's mean loss on its weights; the lanes' first passes are one, then their second ones, and so on."""
        totals = {lane: lane.objective.weight(list(chain.from_iterable(passes))) for lane, passes in wanted.items()}
        self._streams = {lane: torch.Generator(lane.device).manual_seed(lane.step_seed) for lane in wanted}
        losses: dict[Lane, list[Loss]] = {lane: [] for lane in wanted}
        for number in range(max(map(len, wanted.values()))):
            if number:
                self._streams = {lane: torch.Generator(lane.device).manual_seed(pass_seed(lane.step_seed, number)) for lane in wanted}
            parts = {lane: passes[number] for lane, passes in wanted.items() if number < len(passes)}
            with causal_attention(self._model):
                found = self._losses(parts)
                shares = {lane: loss.total / totals[lane] for lane, loss in found.items()}
                torch.autograd.backward([lane.scaler.scale(share) for lane, share in shares.items()])
            for lane, share in shares.items():
                losses[lane].append(Loss(share.detach(), found[lane].figures))
        tokens = {lane: sum(sum(map(len, lane.objective.sequences(items))) for items in passes) for lane, passes in wanted.items()}
        return {lane: outcome_of(losses[lane], totals[lane], tokens[lane]) for lane in wanted}

    def _losses(self, parts: Mapping[Lane, Sequence[Item]]) -> dict[Lane, Loss]:
        sequences = {lane: lane.objective.sequences(items) for lane, items in parts.items()}
        layout = behind_each_other(list(chain.from_iterable(sequences.values())), self._model.device.type)
        starts = iter(layout.starts)
        own_starts = {lane: [next(starts) for _ in own] for lane, own in sequences.items()}
        self._rows = {lane: slice(own_starts[lane][0], own_starts[lane][-1] + len(own[-1])) for lane, own in sequences.items()}
        hidden = hidden_states(self._model, layout).flatten(0, 1)
        found = {}
        for lane, items in parts.items():
            first = self._rows[lane].start
            states = States(hidden[self._rows[lane]], [start - first for start in own_starts[lane]])
            found[lane] = lane.objective.loss(states, items, lane.head)
        return found

    def _forward(self, layers: Sequence[tuple[Lane, Any]]) -> Callable[[Any, Tensor], Tensor]:
        """What a linear layer computes under the adapters of `layers`, of which those count whose rows are in the pass."""

        def forward(module: Any, x: Tensor) -> Tensor:
            updates = [self._update(lane, layer, x) for lane, layer in layers if lane in self._rows]
            return updated(x, module.weight, module.bias, updates)

        return forward

    def _update(self, lane: Lane, layer: Any, x: Tensor) -> Update:
        rows, share = self._rows[lane], getattr(layer.lora_dropout[ADAPTER], "p", 0.0)
        keep = None
        if share:  # the numbers that torch's own dropout would draw
            keep = x.new_empty(1, rows.stop - rows.start, x.shape[-1]).bernoulli_(1 - share, generator=self._streams[lane]).div_(1 - share)[0]
        return Update(layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight, layer.scaling[ADAPTER], rows, keep)


def _ended(lane: Lane, passes: Passes, outcome: Outcome, seconds: float) -> bool | InputError:
    """Take the optimiser's step of a lane whose gradients stand."""
    try:
        loss = lane.take_in(outcome, passes)
        lane.update(list(chain.from_iterable(passes)))
        lane.count(seconds, outcome.tokens)
        lane.end_step(loss)
    except InputError as error:
        return error
    return True
