"""Virtual tokens before the prompt: whether a model has them, and what its hidden states are behind them."""

from __future__ import annotations

from typing import Any, cast

import torch
from peft import PeftModel, PrefixTuningConfig
from transformers import PreTrainedModel

from adapt.errors import InputError


def decoder_of(causal: PreTrainedModel) -> Any:
    """The part of `causal` below its head; some have it under another name than their class says. Raises InputError when it is nowhere."""
    for name in (causal.base_model_prefix, "model", "transformer"):
        if (found := getattr(causal, name, None)) is not None:
            return found
    raise InputError(
        f"the decoder of {type(causal).__name__} was not found", hint="choose another base; docs/how-to/use-your-own-base-model.md names what fits"
    )


def has_prefix(model: PreTrainedModel | PeftModel) -> bool:
    """Whether keys and values stand before the prompt now."""
    return prompts_on(model) and isinstance(cast(Any, model).active_peft_config, PrefixTuningConfig)


def prompts_on(model: PreTrainedModel | PeftModel) -> bool:
    """Whether virtual tokens stand before the prompt now."""
    if not isinstance(model, PeftModel):
        return False
    whole: Any = model
    return bool(whole.active_peft_config.is_prompt_learning and not whole._adapters_disabled)


def prompted_states(model: PeftModel, ids: torch.Tensor) -> torch.Tensor:
    """Last hidden states (batch, tokens, size) of right-padded `ids` behind the virtual tokens, whose own states are left out."""
    whole: Any = model
    causal = whole.get_base_model()
    decoder = decoder_of(causal)
    prompts = whole.get_prompt(batch_size=len(ids))
    if has_prefix(model):
        found: torch.Tensor = decoder(input_ids=ids, past_key_values=prompts, use_cache=False).last_hidden_state
        return found
    words = causal.get_input_embeddings()(ids)
    states: torch.Tensor = decoder(inputs_embeds=torch.cat([prompts.to(words.dtype), words], dim=1), use_cache=False).last_hidden_state
    return states[:, prompts.shape[1] :]
