"""Methods that put virtual tokens before every prompt: prompt tuning (Lester et al. 2021, arXiv:2104.08691), prefix tuning (Li and Liang 2021,
arXiv:2101.00190), P-tuning (Liu et al. 2021, arXiv:2103.10385) and P-tuning v2 (Liu et al. 2021, arXiv:2110.07602), all in peft.

P-tuning v2 is prefix tuning without the encoder. Encoders of the other two are for training alone: peft saves what they give.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from peft import PeftConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig

from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.linear import ADAPTER
from adapt.adapter.methods.lowrank import TASK, with_adapter
from adapt.base.load import load_tokenizer
from adapt.errors import InputError
from adapt.spec.resolved.train import TrainSection
from adapt.spec.train import DeepPromptTrain, PrefixTrain, PromptTuningTrain

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DEEP_START = 0.02
"""Standard deviation of the first keys and values of P-tuning v2; peft draws from a normal one, which drowns the prompt."""


def attach(base: Base, section: TrainSection, *, device: str) -> Attached:
    """The base with virtual tokens from `section.seed`."""
    train = section.train
    if not isinstance(train, PromptTuningTrain | PrefixTrain | DeepPromptTrain):
        raise AssertionError(train.method)
    model = base.load(dtype=train.dtype, device=device)
    peft = with_adapter(model, _config(train), seed=section.seed)
    encoder: Any = peft.prompt_encoder[ADAPTER]
    encoder.float()
    if isinstance(train, PromptTuningTrain):
        ids = _first_ids(train, base.folder, model)
        encoder.embedding.weight.data.copy_(cast(Any, model).get_input_embeddings()(ids.to(model.device)).float())
    elif isinstance(train, DeepPromptTrain):
        torch.nn.init.normal_(encoder.embedding.weight, std=_DEEP_START)
    return Attached(peft)


def _config(train: PromptTuningTrain | PrefixTrain | DeepPromptTrain) -> PeftConfig:
    tokens = train.virtual_tokens
    if isinstance(train, PromptTuningTrain):
        return PromptTuningConfig(num_virtual_tokens=tokens, task_type=TASK)
    if isinstance(train, DeepPromptTrain):
        return PrefixTuningConfig(num_virtual_tokens=tokens, task_type=TASK)
    if train.method == "p_tuning":
        return PromptEncoderConfig(num_virtual_tokens=tokens, encoder_hidden_size=train.encoder_size, task_type=TASK)
    return PrefixTuningConfig(num_virtual_tokens=tokens, prefix_projection=True, encoder_hidden_size=train.encoder_size, task_type=TASK)


def _first_ids(train: PromptTuningTrain, base: Path, model: PreTrainedModel) -> torch.Tensor:
    """Token ids whose embeddings the virtual tokens begin with, (virtual_tokens,)."""
    if train.initial_text is None:
        return torch.randint(0, model.config.get_text_config().vocab_size, (train.virtual_tokens,))
    ids = cast(Any, load_tokenizer(base))(train.initial_text, add_special_tokens=False).input_ids
    if not ids:
        raise InputError(f"train.initial_text: {train.initial_text!r} has no tokens", hint="give a sentence on the task, or leave it unset")
    return torch.tensor((ids * (train.virtual_tokens // len(ids) + 1))[: train.virtual_tokens])
