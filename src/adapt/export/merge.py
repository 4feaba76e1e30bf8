"""Folds an adapter into its base: an ordinary model folder that knows nothing of adapters.

Enters: an adapter on its float32 base. Leaves: the folder, in the number format that was asked for: weights in shards, tokenizer with the
adapter's own prompt template, generation settings that stop where the adapter's answers stop.

W + (alpha / r) B A is summed in float32 and rounded once. Tied embeddings stay tied and are stored once, unless the adapter changes
one of the two: then each gets weights of its own, since a sum into shared weights would change both.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from adapt.base.load import quiet_loading
from adapt.errors import InputError

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from adapt.adapter.load import LoadedAdapter

log = logging.getLogger(__name__)
_TOKENIZER = ("tokenizer*", "*.jinja", "special_tokens_map.json", "vocab.*", "merges.txt", "*.model")


def merge(loaded: LoadedAdapter) -> PreTrainedModel:
    """The base with the adapter folded in, in the number format that it was loaded in; `loaded.model` is used up.

    Raises InputError when the method cannot be merged, or merged weights are not numbers.
    """
    _untie(loaded.model)
    model = loaded.merge()
    _stop_at(model, loaded.prompt.end_ids)
    return model


def save_merged(model: PreTrainedModel, loaded: LoadedAdapter, folder: Path, *, dtype: str, max_shard_size: str) -> None:
    """Write a merged model, rounded to `dtype`, and its tokenizer into `folder`.

    Raises InputError when a weight is larger than `dtype` holds.
    """
    import torch

    model = model.to(getattr(torch, dtype))
    overflown = [name for name, weight in model.named_parameters() if not bool(weight.isfinite().all())]
    if overflown:
        raise InputError(
            f"{overflown[0]} of the merged model is not finite in {dtype}",
            hint="export it with dtype bfloat16 or float32, or train again with a lower learning rate",
        )
    with quiet_loading():
        model.save_pretrained(str(folder), max_shard_size=max_shard_size)
    save_tokenizer(loaded.tokenizer, loaded.prompt.template, folder)
    open_to_read(folder)


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, template: str, folder: Path) -> None:
    """Write the tokenizer with `template` as its chat template, and without the arguments that it was loaded with."""
    tokenizer.chat_template = template
    for name in ("is_local", "local_files_only"):
        tokenizer.init_kwargs.pop(name, None)
    tokenizer.save_pretrained(str(folder))


def copy_tokenizer(merged: Path, folder: Path) -> None:
    """Copy tokenizer and chat template of a merged model."""
    for pattern in _TOKENIZER:
        for path in merged.glob(pattern):
            shutil.copyfile(path, folder / path.name)


def open_to_read(folder: Path) -> None:
    """Let others read the weights: safetensors creates its files for their owner alone."""
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)


def _untie(model: PreTrainedModel | PeftModel) -> None:
    """Give head and embedding weights of their own when they share them and the adapter changes one."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from torch.nn import Parameter

    from adapt.adapter.head import causal_model

    base = causal_model(model)
    head: nn.Module | None = base.get_output_embeddings()  # type: ignore[no-untyped-call]
    embedding = base.get_input_embeddings()
    if head is None or not (isinstance(head, BaseTunerLayer) or isinstance(embedding, BaseTunerLayer)):
        return
    inner, weight = _inner(head), _inner(head).weight
    if weight is not _inner(embedding).weight or not isinstance(weight, Parameter):
        return
    log.warning("the adapter changes the output head or the embeddings, which the base shares: the merged model stores them apart")
    inner.weight = Parameter(weight.detach().clone(), requires_grad=False)
    base.config.tie_word_embeddings = False


def _inner(module: nn.Module) -> nn.Module:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return module.get_base_layer() if isinstance(module, BaseTunerLayer) else module


def _stop_at(model: PreTrainedModel, end_ids: tuple[int, ...]) -> None:
    """Generation ends at the prompt template's end token and wherever the base ended it."""
    config = model.generation_config
    if config is None:
        return
    own = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    ends = list(dict.fromkeys(token for token in (*end_ids, *own) if token is not None))
    config.eos_token_id = ends if len(ends) > 1 else ends[0]
