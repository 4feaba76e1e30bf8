"""Whether two computations of the same states differ by more than rounding, and the tokens on which that is asked.

How far rounding carries depends on the model, its adapter and the processor: on the bundled base in bfloat16, two exact kernels gave logits
that differ by 0.006 to 0.025 of their size, and with an adapter by 0.051. So a fixed bound is a floor here, and above it the model is asked: its
input embeddings are moved by one unit in the last place, which differs from the unmoved states as rounding elsewhere does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

_TIMES = 4.0
"""Two exact kernels differed by 0.6 to 1.9 times what moved embeddings do, over three number formats and five probes of the bundled base."""
_HIGHEST = 0.25
"""Above this share no bound tells rounding from another computation."""


def probe_ids(model: PreTrainedModel, tokens: int) -> list[int]:
    """`tokens` token ids spread over the vocabulary. The first ids of a vocabulary are mostly control tokens, whose states rounding moves far."""
    vocabulary = int(model.config.get_text_config().vocab_size)
    step = max(vocabulary // tokens, 1)
    return [(step // 2 + number * step) % vocabulary for number in range(tokens)]


def share_of_difference(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Mean difference of two tensors of one shape as a share of the mean size of `wanted`; not a number where either has one."""
    found, wanted = found.float(), wanted.float()
    return float((found - wanted).abs().mean() / wanted.abs().mean().clamp(min=1e-12))


def differ_beyond_rounding(
    model: PreTrainedModel, found: torch.Tensor, wanted: torch.Tensor, *, floor: float, again: Callable[[], torch.Tensor]
) -> bool:
    """Whether `found` is something else than `wanted`. A share of difference under `floor` is rounding; above it, so is what stays below some
    times the share by which `again`, the computation of `wanted`, differs when the embeddings of `model` are moved."""
    difference = share_of_difference(found, wanted)
    if difference < floor:
        return False
    handle = model.get_input_embeddings().register_forward_hook(_move)
    try:
        moved = share_of_difference(again(), wanted)
    finally:
        handle.remove()
    return not difference < min(_TIMES * moved, _HIGHEST)


def _move(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
    """`output` with each element moved up or down by one unit in the last place, the same way each time."""
    import torch

    random = torch.Generator().manual_seed(0)  # of its own: a training's random numbers stay what they are
    signs = torch.randint(0, 2, output.shape, generator=random).to(output) * 2 - 1
    device = output.device.type
    formats = [output.dtype, torch.get_autocast_dtype(device)] if torch.is_autocast_enabled(device) else [output.dtype]
    return output * (1 + max(torch.finfo(dtype).eps for dtype in formats) * signs)
