"""Loads a prepared base model and its tokenizer from a folder in the Hugging Face layout. Safetensors only, and no code of the model's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.base.attention import settle_attention
from adapt.errors import InputError

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def resolve_device(device: str) -> str:
    """`auto` as `cuda` where there is one, else `cpu`; anything else as it stands. Raises InputError for a CUDA device that is not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {device!r} was asked for, and this machine has no CUDA device that torch can use", hint="set device to auto or cpu")
    return device


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of the model in `folder`."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)


def load_model(folder: Path, *, dtype: str, device: str, quantization: BitsAndBytesConfig | None = None) -> PreTrainedModel:
    """The causal language model in `folder` on `device` (as `resolve_device` gives it), in eval mode.

    `dtype` is the name of a torch type such as `bfloat16`. With `quantization`, its linear layers are quantized while they are read. Its attention
    is torch's fused one, or where that would give other logits the model's own.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = load_config(folder)
    with quiet_loading():
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            config=config,
            dtype=getattr(torch, dtype),
            device_map={"": device},
            quantization_config=quantization,
            attn_implementation=attention_for(config),
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    model.eval()
    settle_attention(model, quantized=quantization is not None)
    found: PreTrainedModel = model
    return found


def load_config(folder: Path) -> PretrainedConfig:
    """The configuration of the model in `folder`."""
    from transformers import AutoConfig

    config: PretrainedConfig = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    return config


def causal_class(config: PretrainedConfig) -> type[PreTrainedModel] | None:
    """The causal language model that transformers makes of `config`; None where it knows none."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    mapping: Any = MODEL_FOR_CAUSAL_LM_MAPPING
    found: Any = mapping.get(type(config), None)
    kind: type[PreTrainedModel] | None = found[0] if isinstance(found, tuple) else found
    return kind


def attention_for(config: PretrainedConfig) -> str:
    """The attention of the model of `config`: torch's fused one, or its own where that gives other states.

    Models with attention sinks cannot take the fused one. Where no mask is made for it, Falcon leaves its linear biases (alibi) out, and Doge
    its own choice of what is seen.
    """
    own = getattr(config, "alibi", False) or config.model_type == "doge"
    return "sdpa" if getattr(causal_class(config), "_supports_sdpa", True) and not own else "eager"


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Hold back the progress bars that transformers draws by itself: ours are drawn by whoever was handed a Progress."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # its functions carry no types
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
