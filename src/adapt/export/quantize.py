"""Quantizes a merged model with bitsandbytes and saves it so, as safetensors that transformers reads without being told anything.

Enters: the merged model in bfloat16. Leaves: its folder with linear layers in 4-bit NormalFloat with quantized constants (Dettmers et al.
2023, arXiv:2305.14314) or in LLM.int8() (Dettmers et al. 2022, arXiv:2208.07339). Embeddings and output head stay in bfloat16.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from adapt.base.load import load_model, quiet_loading, resolve_device
from adapt.base.numerics import forward_dtype
from adapt.export.merge import copy_tokenizer, open_to_read

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel

DTYPE = "bfloat16"
"""Number format of what is not quantized, and of the computation."""
_TALKATIVE = "bitsandbytes.autograd._functions"  # warns at every layer of every pass that int8 takes float16


def quantize(merged: Path, folder: Path, *, scheme: Literal["nf4", "int8"]) -> None:
    """Write the model of folder `merged` into `folder`, quantized while it is read; tokenizer and generation settings go along."""
    model = load_model(merged, dtype=DTYPE, device=resolve_device("auto"), quantization=_config(scheme))
    with quiet_loading():
        model.save_pretrained(str(folder))
    copy_tokenizer(merged, folder)
    open_to_read(folder)


def load_quantized(folder: Path) -> PreTrainedModel:
    """The quantized model in `folder`, as its users load it: its config says how, and bitsandbytes where.

    It computes in DTYPE where the device has products in that, else in float32.
    """
    import torch
    from bitsandbytes.nn.modules import Linear4bit
    from transformers import AutoModelForCausalLM

    compute = getattr(torch, forward_dtype(DTYPE, resolve_device("auto")))
    with quiet_loading():
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=compute, use_safetensors=True, local_files_only=True, trust_remote_code=False
        )
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.compute_dtype = compute
    model.train(False)
    return model


def _config(scheme: Literal["nf4", "int8"]) -> BitsAndBytesConfig:
    import torch
    from transformers import BitsAndBytesConfig

    if scheme == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    compute = getattr(torch, DTYPE)
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )


@contextmanager
def quiet_int8() -> Iterator[None]:
    """Hold back bitsandbytes' remark that inputs are cast to float16, which comes at every layer of every pass."""
    logger = logging.getLogger(_TALKATIVE)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
