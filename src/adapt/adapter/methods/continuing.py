"""Trains an adapter further: the weights in a finished folder become those of a new training of the same method and shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor

from adapt.adapter.folder import HEAD, check_finite
from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.coverage import own_names
from adapt.adapter.quiet import quiet_peft
from adapt.errors import InputError


def continue_from(attached: Attached, folder: Path, own: Mapping[str, Tensor]) -> None:
    """Set the weights of `attached` to those of the adapter in `folder`, and an objective's `own` where the folder has the same.

    Raises InputError when the folder's weights are not of this method and shape.
    """
    found = {name: tensor for path in sorted(folder.glob("*.safetensors")) if path.name != HEAD for name, tensor in load_file(path).items()}
    check_finite(found, folder.name)
    if isinstance(attached.model, PeftModel):
        wanted: Mapping[str, Tensor] = get_peft_model_state_dict(attached.model, save_embedding_layers=False)
        _check(found, wanted, folder)
        with quiet_peft(), own_names():
            set_peft_model_state_dict(attached.model, found)
    else:
        _check(found, attached.weights, folder)
        _copy(found, attached.weights)
    head = load_file(folder / HEAD) if (folder / HEAD).is_file() else {}
    if head.keys() == own.keys() and all(head[name].shape == own[name].shape for name in own):
        _copy(head, own)


def _check(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], folder: Path) -> None:
    missing = sorted(wanted.keys() ^ found.keys()) or sorted(name for name in wanted if wanted[name].shape != found[name].shape)
    if missing:
        raise InputError(
            f"the adapter {folder.name} cannot be trained further: its weights are not those of this method and shape, {missing[0]} for one",
            hint="give both the same train.method and section lora",
        )


def _copy(found: Mapping[str, Tensor], into: Mapping[str, Any]) -> None:
    with torch.no_grad():
        for name, weight in into.items():
            weight.data.copy_(found[name])
