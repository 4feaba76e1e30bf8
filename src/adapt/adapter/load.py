"""Loads a trained adapter on its base, ready to score and to answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.prompt import Prompt
from adapt.artifact.manifest import verify
from adapt.base.load import load_model, load_tokenizer, resolve_device

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

WEIGHTS, CONFIG, TEMPLATE, TRAINING = "adapter_model.safetensors", "adapter_config.json", "chat_template.jinja", "training.json"
"""Files of an adapter folder."""


@dataclass(frozen=True)
class LoadedAdapter:
    """An adapter on its base."""

    model: PeftModel
    """In eval mode; `model.disable_adapter()` gives the base."""
    tokenizer: PreTrainedTokenizerBase
    prompt: Prompt
    dtype: str
    """Name of the base's number format, such as `bfloat16`."""


def load_adapter(adapter: Path, base: Path, *, dtype: str | None = None, device: str = "auto") -> LoadedAdapter:
    """The adapter in folder `adapter` on the prepared base in folder `base`.

    The base is loaded unquantized, for a QLoRA adapter too: that is the base that serves it. `dtype` is by default the one
    that the adapter was trained with. Raises InputError when the folder is not a finished adapter or differs from its manifest.
    """
    from peft import PeftModel

    verify(adapter)
    trained = read_training(adapter)
    chosen = dtype if dtype is not None else str(trained["dtype"])
    tokenizer = load_tokenizer(base)
    prompt = Prompt((adapter / TEMPLATE).read_text(encoding="utf-8"), tokenizer)
    model = load_model(base, dtype=chosen, device=resolve_device(device))
    peft = PeftModel.from_pretrained(model, str(adapter), is_trainable=False)
    return LoadedAdapter(model=peft.eval(), tokenizer=tokenizer, prompt=prompt, dtype=chosen)


def read_training(adapter: Path) -> dict[str, Any]:
    """The contents of training.json: steps, losses, tokens, number format."""
    value: dict[str, Any] = json.loads((adapter / TRAINING).read_bytes())
    return value
