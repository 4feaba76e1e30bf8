"""Optimisers, and their state as tensors by name, so that a resumed training goes on exactly.

torch has AdamW, Adafactor, SGD and Muon, bitsandbytes the 8-bit ones and Lion; here is what joins Muon and AdamW, for what is no matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

from adapt.errors import InputError
from adapt.spec.common_train import CommonTrain
from adapt.spec.optimizer import AdafactorOptimizer, AdamwOptimizer, LionOptimizer, MuonOptimizer, OptimizerSpec, ParameterGroup, SgdOptimizer

RATE_SHARE = "rate_share"
"""Field of an optimiser's parameter group: its learning rate as a multiple of the schedule's."""
_NUMBER = "=number"
"""Ends the name of a state that is no tensor."""
_EVERYTHING = ParameterGroup(pattern="*")
_TABLES = ("embed", "lm_head", "wte")
"""Parts of the names of matrices whose rows are tokens: Muon's paper leaves them to AdamW."""


def make_optimiser(settings: CommonTrain, weights: Mapping[str, Parameter], *, share: Callable[[str], float]) -> Optimizer:
    """The optimiser of `settings` over `weights` by name; `share` is each weight's learning rate as a multiple of the schedule's.

    Raises InputError for a parameter group that no weight belongs to.
    """
    groups, spec = group_weights(settings, weights, share=share), settings.optimizer
    if not isinstance(spec, MuonOptimizer):
        return _plain(spec, groups)
    matrices = {id(weight) for name, weight in weights.items() if weight.ndim == 2 and not any(part in name for part in _TABLES)}
    own, others = _only(groups, matrices), _only(groups, {id(weight) for weight in weights.values()} - matrices)
    muon = [torch.optim.Muon(own, lr=0.0, momentum=spec.momentum, adjust_lr_fn="match_rms_adamw")] if own else []
    return _Parts([*muon, *([_plain(AdamwOptimizer(), others)] if others else [])])


def group_weights(settings: CommonTrain, weights: Mapping[str, Parameter], *, share: Callable[[str], float]) -> list[dict[str, Any]]:
    """`weights` as torch's parameter groups, those of one pace together. Raises InputError for a parameter group that no weight belongs to."""
    members: dict[tuple[float, float], list[Parameter]] = {}
    used = set()
    for name, weight in weights.items():
        group = next((group for group in settings.parameter_groups if fnmatchcase(name, group.pattern)), _EVERYTHING)
        used.add(group)
        decay = settings.weight_decay if group.weight_decay is None else group.weight_decay
        members.setdefault((share(name) * group.rate_factor, decay), []).append(weight)
    for group in settings.parameter_groups:
        if group not in used:
            names = list(weights)
            hint = f"weights have names such as {names[0]} and {names[-1]}; the first group that matches takes a weight"
            raise InputError(f"train.parameter_groups: {group.pattern!r} takes no weight that is trained", hint=hint)
    return [{"params": chosen, RATE_SHARE: ratio, "weight_decay": decay} for (ratio, decay), chosen in members.items()]


def _only(groups: list[dict[str, Any]], members: set[int]) -> list[dict[str, Any]]:
    """The groups with some of their weights, by their ids; groups that are left with none fall away."""
    kept = [{**group, "params": [weight for weight in group["params"] if id(weight) in members]} for group in groups]
    return [group for group in kept if group["params"]]


def _plain(spec: OptimizerSpec, groups: list[dict[str, Any]]) -> Optimizer:
    if isinstance(spec, AdamwOptimizer):
        betas = (spec.beta1, spec.beta2)
        if spec.kind == "adamw":
            return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=spec.epsilon, fused=True)
        from bitsandbytes.optim.adamw import AdamW8bit, PagedAdamW8bit

        made: Optimizer = (AdamW8bit if spec.kind == "adamw_8bit" else PagedAdamW8bit)(groups, lr=0.0, betas=betas, eps=spec.epsilon)
        return made
    if isinstance(spec, LionOptimizer):
        from bitsandbytes.optim.lion import Lion32bit

        make: Any = Lion32bit  # it carries no types
        lion: Optimizer = make(groups, lr=0.0, betas=(spec.beta1, spec.beta2))
        return lion
    if isinstance(spec, AdafactorOptimizer):
        return torch.optim.Adafactor(groups, lr=0.0, beta2_decay=spec.beta2_decay, d=spec.clip_threshold)
    if isinstance(spec, SgdOptimizer):
        return torch.optim.SGD(groups, lr=0.0, momentum=spec.momentum)
    raise AssertionError(spec)


class _Parts(Optimizer):
    """Several optimisers, each over weights of its own, as one."""

    def __init__(self, parts: list[Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        for part in parts:
            part.state = self.state
        self._parts = parts
        self.param_groups = [group for part in parts for group in part.param_groups]  # the very ones whose rates are set

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of each; `closure` is not used."""
        for part in self._parts:
            part.step()


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Set the learning rate of every group to its share of `rate`."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get(RATE_SHARE, 1.0)


def state_tensors(optimiser: Optimizer, weights: Mapping[str, Parameter]) -> dict[str, Tensor]:
    """What the optimiser remembers of each weight, by `<what>/<name of the weight>`; numbers become tensors without dimensions."""
    found = {}
    for name, weight in weights.items():
        for what, value in optimiser.state.get(weight, {}).items():
            if isinstance(value, Tensor):
                found[f"{what}/{name}"] = value.detach().cpu().clone()  # weights may share a table
            elif isinstance(value, int):
                found[f"{what}{_NUMBER}/{name}"] = torch.tensor(value)
    return found


def restore_state(optimiser: Optimizer, weights: Mapping[str, Parameter], tensors: Mapping[str, Tensor]) -> None:
    """Take back what `state_tensors` gave, bit for bit."""
    on_device = any(group.get("fused") or group.get("capturable") for group in optimiser.param_groups)
    for key, tensor in tensors.items():
        what, _, name = key.partition("/")
        weight = weights[name]
        state: dict[str, Any] = optimiser.state[weight]
        if what.endswith(_NUMBER):
            state[what.removesuffix(_NUMBER)] = int(tensor)
        else:
            state[what] = tensor if what == "step" and not on_device else tensor.to(weight.device)
