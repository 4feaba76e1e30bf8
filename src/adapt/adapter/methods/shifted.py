"""Shifted sparse attention of LongLoRA (Chen et al. 2023, arXiv:2309.12307): while training, tokens attend inside groups alone.

Half the heads have their groups shifted by half a group, so that neighbours exchange what they know. After training the model attends as usual.
Unlike in the paper's pseudocode, the shift does not wrap around: the last group would show the first tokens the end of the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface

from adapt.adapter.attention import attends_to_all, calls_by_name
from adapt.adapter.methods.attached import Attached
from adapt.errors import InputError

_NAME = "adapt_shifted"


class ShiftedAttention(Attached):
    """A LoRA adapter that is trained with shifted sparse attention."""

    mixes_neighbours = True

    def __init__(self, model: PeftModel, *, group_tokens: int) -> None:
        """Raises InputError for a base in which some layer sees a part of the past alone, or whose attention is not torch's fused one."""
        super().__init__(model)
        if not calls_by_name(self.causal) or self.causal.config._attn_implementation != "sdpa":
            raise InputError(
                f"train.method longlora replaces the attention, and that of {type(self.causal).__name__} is its own",
                hint="choose lora, or a base of another kind",
            )
        if not attends_to_all(self.causal):
            raise InputError(
                f"train.method longlora makes full attention sparse, and {type(self.causal).__name__} has layers with a sliding window",
                hint="choose lora, or a base with full attention",
            )
        self._group_tokens = group_tokens

    @contextmanager
    def attention(self) -> Iterator[None]:
        config = self.causal.config
        usual = config._attn_implementation
        AttentionInterface.register(_NAME, partial(_attention, group_tokens=self._group_tokens))
        config._attn_implementation = _NAME
        try:
            yield
        finally:
            config._attn_implementation = usual


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    group_tokens: int,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """As transformers calls it: `query` (batch, heads, tokens, size); returns (batch, tokens, heads, size)."""
    repeats = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1)
    return shifted_attention(query, key, value, group_tokens=group_tokens, scaling=scaling, dropout=dropout).transpose(1, 2).contiguous(), None


def shifted_attention(query: Tensor, key: Tensor, value: Tensor, *, group_tokens: int, scaling: float | None = None, dropout: float = 0.0) -> Tensor:
    """Causal attention inside groups of `group_tokens`, all three of shape (batch, heads, tokens, size); the second half of the heads begins
    with half a group.
    """
    half = query.shape[1] // 2
    inside = partial(_inside_groups, group_tokens=group_tokens, scaling=scaling, dropout=dropout)
    plain = inside(query[:, :half], key[:, :half], value[:, :half])
    first, rest = slice(0, group_tokens // 2), slice(group_tokens // 2, None)
    parts = [inside(query[:, half:, part], key[:, half:, part], value[:, half:, part]) for part in (first, rest)]
    return torch.cat([plain, torch.cat(parts, dim=2)], dim=1)


def _inside_groups(query: Tensor, key: Tensor, value: Tensor, *, group_tokens: int, scaling: float | None, dropout: float) -> Tensor:
    batch, heads, tokens, size = query.shape
    if not tokens or not heads:
        return query
    missing = -tokens % group_tokens  # behind the last token, where nothing looks
    grouped = [pad(each, (0, 0, 0, missing)).reshape(batch, heads, -1, group_tokens, size) for each in (query, key, value)]
    queries, keys, values = (each.transpose(1, 2).reshape(-1, heads, group_tokens, size) for each in grouped)
    mixed = scaled_dot_product_attention(queries, keys, values, is_causal=True, scale=scaling, dropout_p=dropout)
    return mixed.reshape(batch, -1, heads, group_tokens, size).transpose(1, 2).reshape(batch, heads, -1, size)[:, :, :tokens]
