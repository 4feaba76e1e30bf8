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
from adapt.adapter.fused import Group, Layer, Side, groups_of, updated
from adapt.adapter.head import hidden_states
from adapt.adapter.lane import Lane
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.linear import ADAPTER, fused_layers
from adapt.adapter.objectives.likelihood import row_losses
from adapt.adapter.objectives.objective import Item, Loss
from adapt.adapter.passes import Outcome, outcome_of, pass_seed
from adapt.adapter.states import States, behind_each_other
from adapt.errors import InputError

FILLING_TOKENS = {"cpu": 320, "cuda": 4096}
"""Tokens in a lane's own passes from which products are at full speed, so that sharing them gains little: on a CPU 8 adapters gain a fifth at 256
(docs/benchmarks.md); on a GPU it was not measured."""
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
        self._groups: dict[tuple[Lane, ...], list[Group]] = {}
        """Of the pass: the rows of the adapters that a layer has."""
        adapted: dict[str, list[tuple[Lane, Any]]] = {}
        for lane in lanes:
            for name, layer in fused_layers(cast(PeftModel, lane.model)):
                adapted.setdefault(name, []).append((lane, layer))
        self._layers: list[tuple[tuple[Lane, ...], Layer]] = []
        for name, module in model.named_modules():
            if name in adapted:
                setattr(module, "forward", MethodType(self._forward(module, adapted[name]), module))  # noqa: B010
        copies = [pair for _, layer in self._layers for pair in layer.pairs()]
        self._copies, self._copied = ([pair[side] for pair in copies] for side in (0, 1))

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
        torch._foreach_copy_(self._copies, self._copied)
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
        for lanes, layer in self._layers:
            layer.hand_out(number for number, lane in enumerate(lanes) if lane in wanted)
        tokens = {lane: sum(sum(map(len, lane.objective.sequences(items))) for items in passes) for lane, passes in wanted.items()}
        return {lane: outcome_of(losses[lane], totals[lane], tokens[lane]) for lane in wanted}

    def _losses(self, parts: Mapping[Lane, Sequence[Item]]) -> dict[Lane, Loss]:
        sequences = {lane: lane.objective.sequences(items) for lane, items in parts.items()}
        layout = behind_each_other(list(chain.from_iterable(sequences.values())), self._model.device.type)
        starts = iter(layout.starts)
        own_starts = {lane: [next(starts) for _ in own] for lane, own in sequences.items()}
        self._rows = {lane: slice(own_starts[lane][0], own_starts[lane][-1] + len(own[-1])) for lane, own in sequences.items()}
        self._groups = {}
        hidden = hidden_states(self._model, layout).flatten(0, 1)
        states = {}
        for lane in parts:
            first = self._rows[lane].start
            states[lane] = States(hidden[self._rows[lane]], [start - first for start in own_starts[lane]])
        found = _likelihoods(states, parts)
        return {lane: found[lane] if lane in found else lane.objective.loss(states[lane], items, lane.head) for lane, items in parts.items()}

    def _forward(self, module: Any, adapters: Sequence[tuple[Lane, Any]]) -> Callable[[Any, Tensor], Tensor]:
        """What a linear layer computes under the low-rank updates of `adapters`, of which those count whose rows are in the pass."""
        lanes = tuple(lane for lane, _ in adapters)
        sides = [Side(each.lora_A[ADAPTER].weight, each.lora_B[ADAPTER].weight, each.scaling[ADAPTER]) for _, each in adapters]
        drops = {lane: share for lane, each in adapters if (share := getattr(each.lora_dropout[ADAPTER], "p", 0.0))}
        layer = Layer(sides, module.weight)
        self._layers.append((lanes, layer))

        def forward(module: Any, x: Tensor) -> Tensor:
            if lanes not in self._groups:
                here = {number: self._rows[lane] for number, lane in enumerate(lanes) if lane in self._rows}
                self._groups[lanes] = groups_of(here, x)
            return updated(x, module.weight, module.bias, layer, self._groups[lanes], self._keep(drops, x))

        return forward

    def _keep(self, drops: Mapping[Lane, float], x: Tensor) -> Tensor | None:
        """What dropout multiplies the rows of `x` by, (rows, in), given each lane's share of zeros: numbers that torch's own dropout would draw."""
        here = {lane: share for lane, share in drops.items() if lane in self._rows}
        if not here:
            return None
        keep = x.new_ones(x.shape[:-1].numel(), x.shape[-1])
        for lane, share in here.items():
            keep[self._rows[lane]].bernoulli_(1 - share, generator=self._streams[lane]).div_(1 - share)
        return keep


def _likelihoods(states: Mapping[Lane, States], parts: Mapping[Lane, Sequence[Item]]) -> dict[Lane, Loss]:
    """The losses of the lanes for which they are nothing but likelihoods of tokens: the output head sees all their rows at once."""
    targets = {lane: found for lane, items in parts.items() if (found := lane.objective.targets(states[lane], items)) is not None}
    if not targets:
        return {}
    head = next(iter(targets)).head  # frozen, and that of the base
    hidden = torch.cat([states[lane].hidden[rows] for lane, (rows, _) in targets.items()])
    losses = row_losses(head, hidden, torch.cat([wanted for _, wanted in targets.values()]))
    own = torch.split(losses, [len(rows) for rows, _ in targets.values()])
    return {lane: Loss(each.sum()) for lane, each in zip(targets, own, strict=True)}


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
