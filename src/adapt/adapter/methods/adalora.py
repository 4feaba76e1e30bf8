"""AdaLoRA (Zhang et al. 2023, arXiv:2303.10512): B diag(E) A with near-orthogonal A and B, whose least important E are set to zero on the way.

peft scores and prunes; here its schedule is told the number of steps, its state is kept for an exact resume, the penalty is added to our loss,
and the result is written as plain LoRA: rows with E = 0 fall away, E and the scaling go into the factors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from peft import AdaLoraConfig, PeftModel
from peft.tuners.adalora.layer import AdaLoraLayer
from torch import Tensor

from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.linear import ADAPTER
from adapt.adapter.methods.lowrank import TASK, target_modules, with_adapter
from adapt.adapter.methods.plain import Factors, targets_of, write_plain
from adapt.errors import InputError
from adapt.spec.base import PinnedBase
from adapt.spec.low_rank_train import AdaloraTrain
from adapt.spec.resolved.train import TrainSection

_MOMENTS = ("ipt", "exp_avg_ipt", "exp_avg_unc")
_FEWEST_STEPS = 5


def attach(base: Base, section: TrainSection, *, device: str) -> Attached:
    """The base with an adapter of `initial_rank_ratio` times `lora.r` in every module."""
    train, lora = section.train, section.lora
    if not isinstance(train, AdaloraTrain):
        raise AssertionError(train.method)
    model = base.load(dtype=train.dtype, device=device)
    config = AdaLoraConfig(
        target_r=lora.rank,
        init_r=max(lora.rank + 1, round(train.initial_rank_ratio * lora.rank)),  # peft cannot prune nothing
        lora_alpha=lora.alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=list(target_modules(model, lora)),
        deltaT=train.move_every_steps,
        total_step=_FEWEST_STEPS,
        task_type=TASK,
    )
    return AdaLora(with_adapter(model, config, seed=section.seed), train)


class AdaLora(Attached):
    """An AdaLoRA adapter in training."""

    def __init__(self, model: PeftModel, train: AdaloraTrain) -> None:
        super().__init__(model)
        self._train = train
        self._tuner: Any = model.base_model
        self._config: Any = model.peft_config[ADAPTER]

    def begin(self, steps: int) -> None:
        if steps < _FEWEST_STEPS:
            raise InputError(f"adalora moves ranks over {_FEWEST_STEPS} steps or more, and this training has {steps}", hint="raise train.epochs")
        settled = int(self._train.settle_ratio * steps)
        self._config.total_step, self._config.tinit, self._config.tfinal = steps, settled, settled

    def penalty(self) -> Tensor | None:
        if not self._train.orthogonality:
            return None
        distances = []
        for name, weight in self.weights.items():
            if "lora_A" in name or "lora_B" in name:
                product = weight @ weight.T if "lora_A" in name else weight.T @ weight
                distances.append(torch.linalg.matrix_norm(product - torch.eye(len(product), device=weight.device)))
        return self._train.orthogonality * torch.stack(distances).mean()

    def stepped(self, step: int) -> None:
        self._tuner.update_and_allocate(step)

    def is_settled(self, step: int) -> bool:
        """Before its ranks are final, an adapter has more of them than was asked for."""
        return bool(step >= self._config.total_step - self._config.tfinal)

    def state(self) -> dict[str, Tensor]:
        allocator = self._tuner.rankallocator
        found = {f"{moment}:{name}": tensor for moment in _MOMENTS for name, tensor in getattr(allocator, moment).items()}
        pattern = self._config.rank_pattern or {}
        return found | {f"rank:{name}": torch.tensor(kept) for name, kept in pattern.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        pattern = {}
        for key, tensor in state.items():
            kind, _, name = key.partition(":")
            if kind == "rank":
                pattern[name] = tensor.tolist()
            else:
                getattr(self._tuner.rankallocator, kind)[name] = tensor.to(self.causal.device)
        self._config.rank_pattern = pattern or None

    def save(self, folder: Path, base: PinnedBase) -> None:
        model = cast(PeftModel, self.model)
        write_plain(folder, _factors(model), base, targets=targets_of(model))


def _factors(model: PeftModel) -> Factors:
    factors: Factors = {}
    for name, module in model.named_modules():
        if isinstance(module, AdaLoraLayer):
            layer: Any = module
            a, e, b = (side[ADAPTER].detach().float().cpu() for side in (layer.lora_A, layer.lora_E, layer.lora_B))
            kept = e[:, 0] != 0
            scaling = layer.scaling[ADAPTER] / (layer.ranknum[ADAPTER].item() + 1e-5)  # as peft's layer computes it
            factors[name.removeprefix("base_model.model.")] = (a * e)[kept], (b * scaling)[:, kept]
    return factors
