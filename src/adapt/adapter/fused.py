"""One frozen linear layer under several low-rank adapters, each of which changes the rows of its own sequences alone.

All rows share the base's product, whose cost a row falls with their number as long as it is small. Punica and S-LoRA serve adapters so (Chen et al.
2023, arXiv:2310.18547; Sheng et al. 2023, arXiv:2311.03285); mLoRA trains them so (Ye et al. 2023, arXiv:2312.02515).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear


class Update(NamedTuple):
    """What one adapter does to its rows of a layer's input."""

    a: Tensor
    """(rank, in), float32."""
    b: Tensor
    """(out, rank), float32."""
    scaling: float
    rows: slice
    """Its rows of the input."""
    keep: Tensor | None
    """(rows, in): what dropout multiplies its rows by, or None."""


def updated(x: Tensor, weight: Tensor, bias: Tensor | None, updates: Sequence[Update]) -> Tensor:
    """y = x W' + bias, and on each adapter's rows + scaling (x A') B'.

    `x` is (..., in), its rows counted over all other dimensions; `weight` (out, in) and `bias` are frozen. Products are in the number format of `x`.
    """
    weights = [tensor for update in updates for tensor in (update.a, update.b)]
    out: Tensor = _Updated.apply(x, weight, bias, tuple(updates), *weights)  # type: ignore[no-untyped-call]
    return out


class _Updated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, updates: tuple[Update, ...], *weights: Tensor) -> Tensor:
        y = linear(x, weight, bias)
        rows, out = x.reshape(-1, x.shape[-1]), y.view(-1, y.shape[-1])
        saved = [rows, weight]
        for number, update in enumerate(updates):
            a, b = (side.to(x.dtype) for side in weights[2 * number : 2 * number + 2])
            low = _kept(rows[update.rows], update.keep) @ a.t()
            out[update.rows].addmm_(low, b.t(), alpha=update.scaling)
            saved += [a, b, low]
        ctx.save_for_backward(*saved)
        ctx.updates = updates
        return y

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        rows, weight, *saved = ctx.saved_tensors
        grad = outer[0].reshape(-1, weight.shape[0])
        grad_x = grad @ weight if ctx.needs_input_grad[0] else None
        grads: list[Tensor | None] = []
        for update, a, b, low in zip(ctx.updates, saved[::3], saved[1::3], saved[2::3], strict=True):
            own = grad[update.rows]
            grad_low = (own @ b).mul_(update.scaling)
            grads.append((grad_low.t() @ _kept(rows[update.rows], update.keep)).float())
            grads.append((own.t() @ low).float().mul_(update.scaling))
            if grad_x is not None and update.keep is None:
                grad_x[update.rows].addmm_(grad_low, a)
            elif grad_x is not None:
                grad_x[update.rows].addcmul_(grad_low @ a, update.keep)
        return None if grad_x is None else grad_x.view(*outer[0].shape[:-1], -1), None, None, None, *grads


def _kept(rows: Tensor, keep: Tensor | None) -> Tensor:
    return rows if keep is None else rows * keep
