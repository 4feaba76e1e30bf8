"""QLoRA (Dettmers et al. 2023, arXiv:2305.14314): a low-rank adapter on a base whose linear layers are held in 4 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn.modules import Linear4bit
from peft import PeftModel
from transformers import BitsAndBytesConfig, PreTrainedModel

from adapt.adapter.methods.lora import with_adapter
from adapt.base.load import load_model
from adapt.spec.lora import LoraSpec
from adapt.spec.train import QloraTrain


def attach(base: Path, lora: LoraSpec, train: QloraTrain, *, device: str, seed: int) -> PeftModel:
    """The base quantized by bitsandbytes with an adapter in float32; norms, embeddings and head keep `train.dtype`."""
    config: Any = BitsAndBytesConfig
    quantization = config(
        load_in_4bit=True,
        bnb_4bit_quant_type=train.quantization_type,
        bnb_4bit_use_double_quant=train.double_quantization,
        bnb_4bit_compute_dtype=getattr(torch, train.dtype),
    )
    model = load_model(base, dtype=train.dtype, device=device, quantization=quantization)
    _keep_differentiable(model)
    return with_adapter(model, lora, seed=seed)


def _keep_differentiable(model: PreTrainedModel) -> None:
    """Keep the weights as they are packed: in eval mode on a CPU with AVX-512 BF16, bitsandbytes repacks them for good for a kernel
    without a gradient, and every later training step would be silently wrong.
    """
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
