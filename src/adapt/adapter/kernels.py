"""Faster code for the same layers: compiled ones, fused kernels, and an attention that leaves out what packed sequences do not see.

Enters: a model with its method on it. Leaves: that instance changed, and no other that shares its weights.
"""

from __future__ import annotations

import logging
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapt.adapter.head import hidden_states
from adapt.adapter.methods.layers import decoder_layers
from adapt.adapter.states import side_by_side
from adapt.base.rounding import differ_beyond_rounding, probe_ids, share_of_difference
from adapt.base.toolchain import require_toolchain
from adapt.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from adapt.spec.common_train import CommonTrain

log = logging.getLogger(__name__)
FLEX = "flex_attention"
"""FlexAttention (Dong et al. 2024, arXiv:2412.05496), as transformers calls it; it makes the mask of packed sequences from their positions."""
_NORMS = frozenset({"LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm"})
"""Normalisations x / rms(x), computed in float32, times a weight in the model's number format."""
_PROBE_TOKENS = 32
_TOLERANCE = 0.02
"""Mean difference of states as a share of their mean size, which rounding in sixteen bits seldom passes."""


def set_kernels(model: PreTrainedModel, settings: CommonTrain) -> None:
    """Let `model` use the kernels and the attention of `settings`. Raises InputError when they are not installed or do not fit the model."""
    if settings.attention == "flex":
        if model.device.type == "cpu":
            require_toolchain("train.attention: flex")
        model.config._attn_implementation = FLEX
    if settings.kernels == "liger":
        _use_liger(model)


def compile_layers(model: PreTrainedModel, *, backend: str = "inductor") -> None:
    """Compile the decoder layers of `model` once for all lengths; the first passes take longer. On a CPU, attention stays as it is."""
    if backend == "inductor" and model.device.type == "cpu":
        require_toolchain("train.compile")
    for layer in decoder_layers(model).values():
        layer.compile(backend=backend, dynamic=True)


def _use_liger(model: PreTrainedModel) -> None:
    """Liger's kernels for normalisation and SwiGLU (Hsu et al. 2024, arXiv:2410.10989).

    Not its loss, since ours computes logits of answers alone; not its rotation of positions, which is replaced in transformers itself and so in every
    model.
    """
    try:
        from liger_kernel.transformers.functional import liger_rms_norm, liger_swiglu
    except ImportError as error:
        hint = "pip install 'adapt-build[liger]', or set it to torch"
        raise InputError(f"train.kernels is liger, which cannot be imported: {error}", hint=hint) from None

    def norm(self: Any, hidden_states: Tensor) -> Tensor:
        found: Tensor = liger_rms_norm(hidden_states, self.weight, self.variance_epsilon, 0.0, "llama", False)
        return found

    def feed_forward(self: Any, x: Tensor) -> Tensor:
        found: Tensor = self.down_proj(liger_swiglu(self.gate_proj(x), self.up_proj(x)))
        return found

    before, replaced = _states(model), 0
    for module in model.modules():
        if type(module).__name__ in _NORMS:
            setattr(module, "forward", MethodType(norm, module))  # noqa: B010
        elif _is_swiglu(module):
            setattr(module, "forward", MethodType(feed_forward, module))  # noqa: B010
        else:
            continue
        replaced += 1
    name = type(model).__name__
    if not replaced:
        raise InputError(f"train.kernels is liger, and {name} has no layer that its kernels are for", hint="set train.kernels to torch")
    after = _states(model)
    difference = share_of_difference(after, before)
    if differ_beyond_rounding(model, before, after, floor=_TOLERANCE, again=lambda: _states(model)):
        raise InputError(f"train.kernels is liger, and {name} has other states with its kernels, off by {difference:.3f} of their size")
    log.debug("liger: %d layers, states off by %.5f of their size", replaced, difference)


def _is_swiglu(module: nn.Module) -> bool:
    parts = all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj"))
    return parts and type(getattr(module, "act_fn", None)).__name__ in ("SiLU", "SiLUActivation")


def _states(model: PreTrainedModel) -> Tensor:
    with torch.no_grad():
        return hidden_states(model, side_by_side([probe_ids(model, _PROBE_TOKENS)], model.device.type)).float()
