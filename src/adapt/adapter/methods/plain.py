"""Adapters that are plain LoRA once their training is over, written as such, so that every server of LoRA adapters takes them.

Enters: for each module a pair A (rank, in), B (out, rank) in float32 whose product B A is the whole change of the original weight. Leaves: an
adapter folder with one rank for all, smaller ones padded with zeros, and the scaling folded into B (alpha = r).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor

from adapt.adapter.folder import WEIGHTS, write_peft_config, write_tensors
from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.linear import ADAPTER
from adapt.spec.base import PinnedBase

Factors = dict[str, tuple[Tensor, Tensor]]
"""Module name in the base to A and B."""
PREFIX = "base_model.model."
"""What peft puts before the base's own names."""


def write_plain(folder: Path, factors: Mapping[str, tuple[Tensor, Tensor]], base: PinnedBase, *, targets: list[str]) -> None:
    """Write the adapter folder's weights and config; `targets` names the adapted modules as peft takes them."""
    rank, tensors = plain_tensors(factors)
    write_tensors(folder / WEIGHTS, tensors)
    config: Any = LoraConfig(r=rank, lora_alpha=rank, target_modules=targets, task_type="CAUSAL_LM")
    write_peft_config(folder, {**config.to_dict(), "target_modules": targets}, base)


def targets_of(model: PeftModel) -> list[str]:
    """What the adapter of `model` was put on, sorted."""
    config: Any = model.peft_config[ADAPTER]
    return sorted(config.target_modules)


def plain_tensors(factors: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[int, dict[str, Tensor]]:
    """The largest rank, and A and B of every module padded to it with zeros, float32, under the names that peft gives them."""
    rank = max(1, *(a.shape[0] for a, _ in factors.values()))
    tensors = {}
    for module, (a, b) in factors.items():
        missing = rank - a.shape[0]
        tensors[f"{PREFIX}{module}.lora_A.weight"] = torch.nn.functional.pad(a.float(), (0, 0, 0, missing))
        tensors[f"{PREFIX}{module}.lora_B.weight"] = torch.nn.functional.pad(b.float(), (0, missing))
    return rank, tensors


def lora_factors(model: PeftModel) -> Factors:
    """A and B of every LoRA layer of `model`, the scaling folded into B."""
    return {name: (_weight(layer.lora_A), _weight(layer.lora_B) * layer.scaling[ADAPTER]) for name, layer in lora_layers(model)}


def lora_layers(model: PeftModel) -> Iterator[tuple[str, Any]]:
    """Every LoRA layer by its name in the base."""
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            yield name.removeprefix(PREFIX), module


def _weight(side: Any) -> Tensor:
    return cast(Tensor, side[ADAPTER].weight.detach().float().cpu().clone())


class Shifted(Attached):
    """LoRA whose start was subtracted from the base, or makes up for its quantization: W' + s B A = W + s (B A - B0 A0).

    Holds B0 and A0, so that the saved adapter, of twice the rank, stands on the original base (Meng et al. 2024, arXiv:2404.02948, appendix C).
    """

    def __init__(self, model: PeftModel) -> None:
        super().__init__(model)
        self._start = lora_factors(model)

    def save(self, folder: Path, base: PinnedBase) -> None:
        both = {}
        for name, (a, b) in lora_factors(cast(PeftModel, self.model)).items():
            start_a, start_b = self._start[name]
            both[name] = torch.cat([a, start_a]), torch.cat([b, -start_b], dim=1)
        write_plain(folder, both, base, targets=targets_of(cast(PeftModel, self.model)))
