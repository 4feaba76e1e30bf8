"""EVA (Paischer et al. 2024, arXiv:2410.07170): LoRA whose A begins at the principal directions of each module's inputs on the task's data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from peft import EvaConfig, PeftModel
from peft.tuners.lora import initialize_lora_eva_weights
from torch import Tensor

from adapt.adapter.batches import plan_epoch
from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.linear import fuse
from adapt.adapter.methods.lowrank import lora_config, with_adapter
from adapt.adapter.methods.plain import lora_factors, targets_of, write_plain
from adapt.adapter.states import Tokens, side_by_side
from adapt.errors import InputError
from adapt.spec.base import PinnedBase
from adapt.spec.low_rank_train import EvaTrain
from adapt.spec.resolved.train import TrainSection


class Eva(Attached):
    """Ranks differ from module to module, so the adapter is saved with one rank for all; modules that got none have zeros."""

    def __init__(self, model: PeftModel, targets: dict[str, tuple[int, int]]) -> None:
        super().__init__(model)
        self._targets = targets

    def save(self, folder: Path, base: PinnedBase) -> None:
        found = lora_factors(cast(PeftModel, self.model))
        empty = {name: (torch.zeros(0, columns), torch.zeros(rows, 0)) for name, (rows, columns) in self._targets.items()}
        write_plain(folder, empty | found, base, targets=targets_of(cast(PeftModel, self.model)))


def attach(base: Base, section: TrainSection, *, device: str, sequences: Sequence[Tokens]) -> Attached:
    """The base with an adapter that begins at the activations of the first batches of `sequences`."""
    train = section.train
    if not isinstance(train, EvaTrain):
        raise AssertionError(train.method)
    batches = _batches(sequences, train, seed=section.seed)
    model = base.load(dtype=train.dtype, device=device)
    eva = EvaConfig(rho=train.rank_spread, use_label_mask=False)
    peft = with_adapter(model, lora_config(model, section.lora, init_lora_weights="eva", eva_config=eva), seed=section.seed)
    targets = {name: (b.shape[0], a.shape[1]) for name, (a, b) in lora_factors(peft).items()}
    _check_directions(section.lora.rank * train.rank_spread, batches, width=min(columns for _, columns in targets.values()))
    initialize_lora_eva_weights(peft, cast(Any, batches), show_progress_bar=False)
    _train_in_float32(peft)
    fuse(peft)
    return Eva(peft, targets)


def _check_directions(wanted: float, batches: list[dict[str, Tensor]], *, width: int) -> None:
    tokens = min(int(batch["attention_mask"].sum()) for batch in batches)
    for found, what, hint in (
        (tokens, f"its smallest batch has {tokens} tokens", "lower lora.r or train.rank_spread, or raise train.batch_tokens"),
        (width, f"the narrowest adapted module has {width} inputs", "lower lora.r or train.rank_spread"),
    ):
        if wanted > found:
            raise InputError(f"eva looks for {wanted:g} directions, and {what}", hint=hint)


def _batches(sequences: Sequence[Tokens], train: EvaTrain, *, seed: int) -> list[dict[str, Tensor]]:
    steps = plan_epoch([len(tokens) for tokens in sequences], batch_tokens=train.batch_tokens, accumulate=1, seed=seed, epoch=0)
    batches = []
    for step in steps[: train.activation_batches]:
        layout = side_by_side([sequences[position] for position in step[0]])
        lengths = torch.tensor(layout.lengths).unsqueeze(1)
        batches.append({"input_ids": layout.ids, "attention_mask": (torch.arange(layout.ids.shape[1]) < lengths).long()})
    return batches


def _train_in_float32(model: PeftModel) -> None:
    """peft makes a module whose rank changed anew, in the base's number format."""
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = weight.data.float()
            weight.requires_grad_(True)
