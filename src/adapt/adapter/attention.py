"""Causal attention of sequences that are padded or packed; for short ones on a CPU, plugged into transformers as one more implementation.

torch's fused kernel takes four to ten times as long there below some 500 tokens, mostly in its bfloat16 backward pass. Here each
key-value head meets all its query heads in one matrix product, so that keys and values are never repeated.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

    from adapt.adapter.states import Layout

NAME = "adapt_grouped"
LONGEST_TOKENS = 512
"""Above this the products of scores cost more than the fused kernel."""


def packed_inputs(layout: Layout) -> dict[str, Any]:
    """What a decoder is given beside packed ids: positions that begin anew with every sequence, and where sequences end, as transformers calls it."""
    import torch

    device = layout.ids.device
    ends = torch.tensor([*layout.starts, layout.tokens], dtype=torch.int32, device=device)
    longest = max(layout.lengths)
    positions = torch.cat([torch.arange(length) for length in layout.lengths]).unsqueeze(0).to(device)
    return {"position_ids": positions, "cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": longest, "max_length_k": longest}


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

    With `cu_seq_lens_q`, sequences follow each other in one row and attend to themselves alone. Whatever is not plain causal attention over at most
    LONGEST_TOKENS goes to the fused kernel.
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        if unusual or query.shape[2] > LONGEST_TOKENS:
            out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs)
            return out
        return _products(query, key, value, scaling)

    unusual = (
        attention_mask is not None or dropout > 0 or key.shape != value.shape or key.shape[2] != query.shape[2] or kwargs.get("softcap") is not None
    )
    ends = kwargs.pop("cu_seq_lens_q", None)
    if ends is None:
        return attend(query, key, value), None
    lengths = ends.diff().tolist()
    apart = [torch.split(part, lengths, dim=2) for part in (query, key, value)]  # its gradient is one copy, that of slices one each
    return torch.cat([attend(*part) for part in zip(*apart, strict=True)], dim=1), None


def _products(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None) -> torch.Tensor:
    """Causal attention as plain matrix products; shapes as in `grouped_attention`."""
    import torch

    batch, heads, tokens, size = query.shape
    groups = key.shape[1]
    future = torch.full((tokens, tokens), float("-inf"), dtype=query.dtype, device=query.device).triu(1).repeat(heads // groups, 1)
    queries = query.reshape(batch * groups, heads // groups * tokens, size)
    keys, values = (part.reshape(batch * groups, tokens, size) for part in (key, value))
    scores = torch.baddbmm(future.expand(batch * groups, -1, -1), queries, keys.transpose(1, 2), alpha=scaling if scaling is not None else size**-0.5)
    mixed = torch.softmax(scores, -1) @ values
    return mixed.reshape(batch, heads, tokens, size).transpose(1, 2).contiguous()


@cache
def _uncompiled() -> Any:
    """The attention as compiled layers call it: where sequences end is data, for which a compiler would write other code each time."""
    import torch

    return torch.compiler.disable(grouped_attention, reason="where sequences end is data")  # type: ignore[no-untyped-call]


@contextmanager
def causal_attention(model: PreTrainedModel | PeftModel) -> Iterator[None]:
    """Use `grouped_attention` on a CPU inside the block, and FlashAttention on a GPU where it is installed; else torch's kernels, with a mask for
    packed sequences. Inputs must be packed, or padded on the right, and come without a mask.

    Models in which some layer sees a part of the past alone stay as they are: transformers makes no mask for an implementation of ours. So do
    models with keys and values before the prompt, which need one, and models whose code calls its attention by itself, such as Falcon.
    """
    from transformers import AttentionInterface

    from adapt.adapter.head import causal_model
    from adapt.adapter.virtual import has_prefix

    causal = causal_model(model)
    usual = causal.config._attn_implementation
    if usual != "sdpa" or not calls_by_name(causal) or not attends_to_all(causal) or has_prefix(model):
        yield
        return
    if causal.device.type == "cpu":
        AttentionInterface.register(NAME, _uncompiled())
        causal.config._attn_implementation = NAME
    elif has_varlen_kernel(causal):
        os.environ.setdefault("FLASH_ATTENTION_DETERMINISTIC", "1")
        causal.config._attn_implementation = "flash_attention_2"
    try:
        yield
    finally:
        causal.config._attn_implementation = usual


def has_varlen_kernel(model: PreTrainedModel) -> bool:
    """Whether packed sequences have a kernel of their own on the model's GPU: FlashAttention 2 (Dao 2023, arXiv:2307.08691), in sixteen bits."""
    import torch
    from transformers.utils.import_utils import is_flash_attn_2_available

    return model.device.type == "cuda" and model.dtype in (torch.bfloat16, torch.float16) and bool(is_flash_attn_2_available())


def calls_by_name(model: PreTrainedModel) -> bool:
    """Whether the model looks its attention up by the name in its configuration, so that one of ours can take its place."""
    return bool(getattr(model, "_supports_attention_backend", False))


def attends_to_all(model: PreTrainedModel) -> bool:
    """Whether every layer sees the whole past."""
    text = model.config.get_text_config()
    return not (getattr(text, "sliding_window", None) or set(getattr(text, "layer_types", None) or ()) - {"full_attention"})
