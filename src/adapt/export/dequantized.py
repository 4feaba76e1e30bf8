"""The base as a QLoRA adapter saw it in training: quantized by bitsandbytes, and widened again.

A QLoRA adapter learns on quantized weights and is evaluated and served on the full ones; what quantization took away is given back then. Merging it
into the widened weights gives what training saw instead, at the price of that loss. Which is closer to the task is measured, not assumed: an
export's parity.json has the perplexity of the golden answers under both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.adapter.load import LoadedAdapter
from adapt.spec.resolved.export import QuantizedBase

if TYPE_CHECKING:
    from torch import Tensor


def dequantize_base(loaded: LoadedAdapter, quantized: QuantizedBase) -> None:
    """Replace the weights of the base's linear layers, the output head excepted, by what quantizing leaves of them. The adapter's stay."""
    import torch

    from adapt.adapter.head import causal_model

    head = causal_model(loaded.model).get_output_embeddings()  # type: ignore[no-untyped-call]
    for name, module in loaded.model.named_modules():
        if isinstance(module, torch.nn.Linear) and module is not head and ".lora_" not in name:
            module.weight.data = widened(module.weight.data, quantized)


def widened(weight: Tensor, quantized: QuantizedBase) -> Tensor:
    """A weight (out, in), quantized from the number format of training and widened to its own again."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, int8_vectorwise_dequant, int8_vectorwise_quant, quantize_4bit

    narrow = weight.to(getattr(torch, quantized.dtype))
    if quantized.quantization_type == "int8":  # LLM.int8() keeps a scale for each row
        codes, scales, _ = int8_vectorwise_quant(narrow.to(torch.float16))
        rows: Tensor = int8_vectorwise_dequant(codes, scales)
        return rows.to(weight.dtype)
    packed, state = quantize_4bit(narrow, quant_type=quantized.quantization_type, compress_statistics=quantized.double_quantization)
    return dequantize_4bit(packed, state).to(weight.dtype)
