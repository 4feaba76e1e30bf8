"""A low-rank adapter on a base whose linear layers bitsandbytes holds in 4 or 8 bits.

QLoRA (Dettmers et al. 2023, arXiv:2305.14314) starts from nothing; LoftQ (Li et al. 2023, arXiv:2310.08659) from the best low-rank
approximation of what quantization took away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit
from peft import PeftModel
from safetensors import safe_open
from torch import Tensor
from transformers import BitsAndBytesConfig, PreTrainedModel

from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.linear import ADAPTER
from adapt.adapter.methods.lowrank import check_start, lora_config, with_adapter
from adapt.adapter.methods.plain import Shifted, lora_layers
from adapt.spec.low_rank_train import LoftqTrain, QloraTrain
from adapt.spec.resolved.train import TrainSection

_SVD_ITERATIONS = 16
"""Subspace iterations: the values of quantization errors fall slowly."""


def attach(base: Base, section: TrainSection, *, device: str) -> Attached:
    """The base quantized by bitsandbytes with an adapter in float32; norms, embeddings and head keep `train.dtype`."""
    train = section.train
    if not isinstance(train, QloraTrain | LoftqTrain):
        raise AssertionError(train.method)
    model = base.load(dtype=train.dtype, device=device, quantization=_quantization(train))
    check_start(model, train.method, section.lora)
    _keep_differentiable(model)
    peft = with_adapter(model, lora_config(model, section.lora), seed=section.seed)
    if isinstance(train, QloraTrain):
        return Attached(peft)
    _start_at_the_error(peft, base.folder)
    return Shifted(peft)


def _start_at_the_error(model: PeftModel, folder: Path) -> None:
    """Set B A of every adapter to the best approximation of its rank of W - Q, where Q is W quantized. peft's own does so on GPUs alone."""
    files: list[Any] = [safe_open(path, framework="pt") for path in sorted(folder.glob("*.safetensors"))]
    stored = {name: file for file in files for name in file.keys()}  # noqa: SIM118
    for name, layer in lora_layers(model):
        quantized = layer.base_layer.weight
        error = _stored_weight(stored, f"{name}.weight").to(quantized.device).float() - dequantize_4bit(quantized.data, quantized.quant_state).float()
        left, values, right = torch.svd_lowrank(error, min(layer.r[ADAPTER], *error.shape), niter=_SVD_ITERATIONS)
        root = values.div(layer.scaling[ADAPTER]).sqrt()
        layer.lora_A[ADAPTER].weight.data[: len(root)] = root[:, None] * right.T
        layer.lora_B[ADAPTER].weight.data[:, : len(root)] = left * root


def _stored_weight(stored: dict[str, Any], name: str) -> Tensor:
    """A tensor of the base's files; some leave out the first part of the names."""
    for known in (name, name.partition(".")[2]):
        if known in stored:
            tensor: Tensor = stored[known].get_tensor(known)
            return tensor
    raise AssertionError(f"the base's files hold no {name}")


def _quantization(train: QloraTrain | LoftqTrain) -> Any:
    config: Any = BitsAndBytesConfig
    if train.quantization_type == "int8":
        return config(load_in_8bit=True)
    return config(
        load_in_4bit=True,
        bnb_4bit_quant_type=train.quantization_type,
        bnb_4bit_use_double_quant=train.double_quantization is not False,
        bnb_4bit_compute_dtype=getattr(torch, train.dtype),
    )


def _keep_differentiable(model: PreTrainedModel) -> None:
    """Keep the weights as they are packed: in eval mode on a CPU with AVX-512 BF16, bitsandbytes repacks them for good for a kernel
    without a gradient, and every later training step would be silently wrong.
    """
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
