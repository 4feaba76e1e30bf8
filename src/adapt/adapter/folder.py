"""Files of an adapter folder, and how they are written: sorted, without paths or times, so that equal weights give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.base.bundled import MODEL_ID
from adapt.errors import InputError
from adapt.spec.base import HubBase, PathBase, PinnedBase

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

WEIGHTS, CONFIG, TEMPLATE, TRAINING = "adapter_model.safetensors", "adapter_config.json", "chat_template.jinja", "training.json"
HEAD = "head.safetensors"
"""Weights of an objective of its own: a reward, classification or value head."""
FORMAT = "adapt_format"
"""Field of adapter_config.json that names a format of this project; peft's configs have `peft_type` instead."""


def base_name(base: PinnedBase) -> str:
    """What an adapter calls its base: the model's name on the hub, or for a model on disk its digest, never a path."""
    if isinstance(base.source, HubBase):
        return base.source.model
    return f"sha256:{base.digest}" if isinstance(base.source, PathBase) else MODEL_ID


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Sorted and indented, ending with a line feed."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """One safetensors file, tensors sorted by name. Raises InputError for one that holds NaN or infinity."""
    from safetensors.torch import save

    check_finite(tensors, path.name)
    path.write_bytes(save({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}, metadata={"format": "pt"}))


def check_finite(tensors: Mapping[str, Tensor], where: str) -> None:
    """Raise InputError for a tensor that holds NaN or infinity: nothing computes with it, and a server
    would spread it."""
    spoiled = sorted(name for name, tensor in tensors.items() if not bool(tensor.isfinite().all()))
    if spoiled:
        others = f", and so do {len(spoiled) - 1} more" if spoiled[1:] else ""
        raise InputError(
            f"{where}: {spoiled[0]} holds NaN or infinity{others}",
            hint="train with a lower train.learning_rate, or with train.dtype: float32",
        )


def check_finite_files(folder: Path) -> None:
    """Raise InputError when a tensor of an adapter's folder holds NaN or infinity."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in sorted(file.keys()):
                check_finite({name: file.get_tensor(name)}, path.name)


def write_peft(folder: Path, model: PeftModel, base: PinnedBase) -> None:
    """The adapter of `model` as peft would write it, without a model card, and with the base named by what it is."""
    from peft import get_peft_model_state_dict

    write_tensors(folder / WEIGHTS, get_peft_model_state_dict(model, save_embedding_layers=False))
    write_peft_config(folder, model.peft_config["default"].to_dict(), base)


def write_peft_config(folder: Path, config: Mapping[str, Any], base: PinnedBase) -> None:
    """adapter_config.json from the fields of a peft config."""
    named = {**config, "base_model_name_or_path": base_name(base), "inference_mode": True}
    named["revision"] = base.source.revision if isinstance(base.source, HubBase) else None
    write_json(folder / CONFIG, {name: sorted(value) if isinstance(value, set) else value for name, value in named.items()})
