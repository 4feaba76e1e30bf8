"""The attention of a loaded base: torch's fused one where it gives the model's own states, else the model's own code.

The fused kernel knows nothing of caps on scores (Gemma 2) or of sinks, and says so nowhere. So a base is asked when it is loaded.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from adapt.base.rounding import differ_beyond_rounding, probe_ids, share_of_difference

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)
FUSED, OWN = "sdpa", "eager"
"""Torch's kernel, and the code that a model's authors wrote, as transformers calls them."""
_RECORDING = "adapt_recording"
_IGNORED = frozenset({"softcap", "s_aux", "sinks", "alibi"})
"""Arguments of an attention that the fused kernel takes and leaves unread."""
_PROBE_TOKENS = 16
_LONGEST_WINDOW = 512
"""Windows up to this many tokens are passed by the probe. Masks of longer ones are made by the same code."""
_TOLERANCES = {"torch.float32": 1e-3, "torch.float64": 1e-6}
_TOLERANCE = 0.03
"""Mean difference of logits as a share of their mean size, which rounding in sixteen bits seldom passes."""
_reasons: dict[str, str | None] = {}
"""Why the fused kernel does not do, by configuration and number format: a base is probed once in a process."""


def settle_attention(model: PreTrainedModel, *, quantized: bool = False) -> None:
    """Let `model`, in eval mode, use its own attention where the fused one would give other logits, with a warning that says why.

    A `quantized` model is asked for the arguments of its attention alone: bitsandbytes repacks weights at their first use in eval mode.
    """
    if model.config._attn_implementation != FUSED:
        return
    key = f"{model.config.to_json_string()}/{model.dtype}/{model.device.type}/{quantized}"
    if key not in _reasons:
        _reasons[key] = _reason_against_fused(model, quantized=quantized)
        if (reason := _reasons[key]) is not None:
            log.warning("%s: torch's fused attention %s, so the model's own is used, which is slower", type(model).__name__, reason)
    if _reasons[key] is not None:
        model.set_attn_implementation(OWN)


def _reason_against_fused(model: PreTrainedModel, *, quantized: bool) -> str | None:
    import torch

    ids = _probe(model)
    with torch.no_grad():
        if ignored := _arguments(model, ids[:, :2], train=quantized) & _IGNORED:
            return f"leaves out its {', '.join(sorted(ignored))}"
        if quantized:
            return None
        fused = _logits(model, ids)
        model.set_attn_implementation(OWN)
        try:
            own = _logits(model, ids)
            floor = _TOLERANCES.get(str(model.dtype), _TOLERANCE)
            other = differ_beyond_rounding(model, fused, own, floor=floor, again=lambda: _logits(model, ids))
        finally:
            model.set_attn_implementation(FUSED)
    return f"gives other logits, by {share_of_difference(fused, own):.3f} of their size" if other else None


def _probe(model: PreTrainedModel) -> torch.Tensor:
    """Token ids (1, tokens) that pass a short sliding window."""
    import torch

    text: Any = model.config.get_text_config()
    window = getattr(text, "sliding_window", None) or 0
    tokens = window + 8 if window <= _LONGEST_WINDOW else 0
    tokens = min(max(tokens, _PROBE_TOKENS), getattr(text, "max_position_embeddings", None) or _PROBE_TOKENS)
    return torch.tensor([probe_ids(model, tokens)], device=model.device)


def _logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = model(input_ids=ids, use_cache=False).logits.float()
    return found


def _arguments(model: Any, ids: torch.Tensor, *, train: bool) -> set[str]:
    """Names of the further arguments that layers hand to their attention; none for a model that does not look it up by name."""
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    names: set[str] = set()
    if not getattr(model, "_supports_attention_backend", False):
        return names

    def record(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **further: Any) -> Any:
        names.update(name for name, value in further.items() if value is not None)
        return sdpa_attention_forward(module, query, key, value, attention_mask, **further)

    config = model.config.get_text_config()
    AttentionInterface.register(_RECORDING, record)
    config._attn_implementation = _RECORDING
    model.train(train)
    try:
        model(input_ids=ids, use_cache=False)
    finally:
        model.eval()
        config._attn_implementation = FUSED
    return names
