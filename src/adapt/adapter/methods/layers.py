"""The decoder layers of a causal language model and their parts, found by what they are and not by an architecture's name."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from adapt.adapter.methods.coverage import language_names
from adapt.errors import InputError

_ATTENTION = ("self_attn", "attn", "attention", "self_attention")
_FEED_FORWARD = ("mlp", "feed_forward", "ffn", "block_sparse_moe")


def decoder_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """The decoder layers by their full names, first to last. Raises InputError when there are none that are known."""
    count = model.config.get_text_config().num_hidden_layers
    language = language_names(model)
    for name, module in model.named_modules():
        if (
            isinstance(module, nn.ModuleList)
            and name in language
            and len(module) == count
            and all(_part(layer, _FEED_FORWARD) is not None for layer in module)
        ):
            return {f"{name}.{index}": layer for index, layer in enumerate(module)}
    raise InputError(f"the decoder layers of {type(model).__name__} were not found", hint="choose a method of the LoRA family, such as lora")


def attention_of(layer: nn.Module) -> nn.Module:
    """The attention of a decoder layer. Raises InputError when it has none that is known."""
    found = _part(layer, _ATTENTION)
    if found is None:
        raise InputError(f"{type(layer).__name__} has no attention that is known", hint="choose pfeiffer or parallel, or a method of the LoRA family")
    return found


def feed_forward_of(layer: nn.Module) -> nn.Module:
    """The feed-forward part of a decoder layer."""
    found = _part(layer, _FEED_FORWARD)
    if found is None:
        raise AssertionError(type(layer).__name__)
    return found


def _part(layer: nn.Module, names: tuple[str, ...]) -> nn.Module | None:
    return next((part for name in names if isinstance(part := getattr(layer, name, None), nn.Module)), None)
