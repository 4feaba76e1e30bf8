"""LoRA (Hu et al. 2021, arXiv:2106.09685): a low-rank adapter on a base in its own number format."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from adapt.adapter.methods.linear import fuse
from adapt.base.load import load_model
from adapt.errors import InputError
from adapt.spec.lora import LoraSpec


def attach(base: Path, lora: LoraSpec, *, dtype: str, device: str, seed: int) -> PeftModel:
    """The base with an adapter of random A (from `seed`) and zero B in float32, nothing else trainable."""
    model = with_adapter(load_model(base, dtype=dtype, device=device), lora, seed=seed)
    fuse(model)
    return model


def with_adapter(model: PreTrainedModel, lora: LoraSpec, *, seed: int) -> PeftModel:
    """`model` with a new adapter. Raises InputError when `lora.target_modules` names what the model does not have."""
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=list(target_modules(model, lora)),
        use_rslora=lora.use_rslora,
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    found = get_peft_model(model, config)
    return cast(PeftModel, found)


def target_modules(model: PreTrainedModel, lora: LoraSpec) -> tuple[str, ...]:
    """Last parts of the names of the linear modules that get an adapter, sorted. The output head never does: servers do not adapt it."""
    head = cast(Any, model).get_output_embeddings()
    linear = sorted({name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not head})
    if lora.target_modules == "all-linear":
        return tuple(linear)
    unknown = [name for name in lora.target_modules if name not in linear]
    if unknown or not lora.target_modules:
        found = ", ".join(repr(name) for name in unknown) or "an empty list"
        raise InputError(
            f"lora.target_modules: {found} names no linear module of the base model; choose from: {', '.join(linear)}",
            hint="or set it to all-linear",
        )
    return tuple(sorted(set(lora.target_modules)))
