"""Causal attention for short sequences on a CPU, plugged into transformers as one more implementation.

torch's fused kernel takes four to ten times as long there below some 500 tokens, mostly in its bfloat16 backward pass. Here each
key-value head meets all its query heads in one matrix product, so that keys and values are never repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

NAME = "adapt_grouped"
LONGEST_TOKENS = 512
"""Above this the products of scores cost more than the fused kernel."""


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of `query` (batch, heads, tokens, size) to `key` and `value` (batch, groups, tokens, size); returns (batch, tokens, heads, size).

    Whatever is not plain causal attention over at most LONGEST_TOKENS goes to the fused kernel.
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    batch, heads, tokens, size = query.shape
    groups = key.shape[1]
    unusual = attention_mask is not None or dropout > 0 or key.shape != value.shape or key.shape[2] != tokens
    if unusual or tokens > LONGEST_TOKENS or kwargs.get("softcap") is not None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs)
        return out, None
    future = torch.full((tokens, tokens), float("-inf"), dtype=query.dtype, device=query.device).triu(1).repeat(heads // groups, 1)
    queries = query.reshape(batch * groups, heads // groups * tokens, size)
    keys, values = (part.reshape(batch * groups, tokens, size) for part in (key, value))
    scores = torch.baddbmm(future.expand(batch * groups, -1, -1), queries, keys.transpose(1, 2), alpha=scaling if scaling is not None else size**-0.5)
    mixed = torch.softmax(scores, -1) @ values
    return mixed.reshape(batch, heads, tokens, size).transpose(1, 2).contiguous(), None


@contextmanager
def causal_attention(model: PreTrainedModel | PeftModel) -> Iterator[None]:
    """Use `grouped_attention` on a CPU inside the block. Inputs must be padded on the right and come without a mask.

    Models in which some layer sees a part of the past alone stay as they are: transformers makes no mask for an implementation of ours. So do
    models with keys and values before the prompt, which need one.
    """
    from transformers import AttentionInterface

    from adapt.adapter.head import causal_model
    from adapt.adapter.virtual import has_prefix

    causal = causal_model(model)
    usual = causal.config._attn_implementation
    if causal.device.type != "cpu" or usual != "sdpa" or not attends_to_all(causal) or has_prefix(model):
        yield
        return
    AttentionInterface.register(NAME, grouped_attention)
    causal.config._attn_implementation = NAME
    try:
        yield
    finally:
        causal.config._attn_implementation = usual


def attends_to_all(model: PreTrainedModel) -> bool:
    """Whether every layer sees the whole past."""
    text = model.config.get_text_config()
    return not (getattr(text, "sliding_window", None) or set(getattr(text, "layer_types", None) or ()) - {"full_attention"})
