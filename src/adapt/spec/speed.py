"""`train.compile`, `train.kernels` and `train.attention`: what they do not go with."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapt.spec.common_train import CommonTrain

_OWN_ATTENTION = ("longlora", "prompt_tuning", "p_tuning", "prefix_tuning", "p_tuning_v2")
"""Methods whose attention is not that of packed rows."""


def speed_problems(train: "CommonTrain") -> Iterator[str]:
    """What of section `train` does not go with its settings of speed, with what to set instead."""
    if train.compile and train.gradient_checkpointing:
        yield "compile is set, and gradient_checkpointing computes layers anew that a compiler has arranged; set one of the two to false"
    if train.compile and train.distributed is not None and train.distributed.strategy != "ddp":
        found = f"compile is set, and {train.distributed.strategy} acts on weights and gradients inside a layer's code"
        yield f"{found}; set compile to false, or the strategy to ddp"
    if train.compile and train.kernels != "torch":
        yield f"compile is set, and kernels {train.kernels} would stand where a compiler writes its own; set compile to false, or kernels to torch"
    if train.attention == "flex":
        method, objective = getattr(train, "method", None), train.objective.kind
        if train.packing == "padded":
            yield "attention is flex, and packing is padded, whose rows need no mask; set packing to auto, or attention to auto"
        if method in _OWN_ATTENTION:
            yield f"attention is flex, and method {method} has an attention of its own or virtual tokens; set attention to auto"
        if objective in ("ppo", "grpo"):
            yield f"attention is flex, and objective {objective} also answers, one token at a time; set attention to auto"
