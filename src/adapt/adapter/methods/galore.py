"""AdamW whose moments live in a low-rank projection of each matrix's gradient (Zhao et al. 2024, GaLore, arXiv:2403.03507).

Weights keep their full rank; memory for moments falls from two matrices to two thin ones and a basis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter


class GaloreAdamW(torch.optim.Optimizer):
    """AdamW with decoupled decay; matrices larger than `rank` in both dimensions have projected gradients, everything else plain AdamW.

    `every` steps the basis is taken anew from the gradient's singular vectors; the moments stay, as in the paper. `scale` multiplies updates of
    projected matrices.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        rank: int,
        every: int,
        scale: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        """`groups` are torch's, each with its `weight_decay`."""
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0})
        self._rank, self._every, self._scale, self._betas, self._epsilon = rank, every, scale, betas, epsilon

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; `closure` is not used."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group["lr"], group["weight_decay"])

    def _update(self, weight: Parameter, rate: float, decay: float) -> None:
        state: dict[str, Any] = self.state[weight]
        grad: Tensor = weight.grad.float()  # type: ignore[union-attr]
        state["step"] = state.get("step", torch.tensor(0.0)) + 1
        step = int(state["step"])
        projected = grad.ndim == 2 and min(grad.shape) > self._rank
        if projected:
            if (step - 1) % self._every == 0:
                state["basis"] = _basis(grad, self._rank)
            grad = _project(grad, state["basis"])
        if "exp_avg" not in state:
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(grad), torch.zeros_like(grad)
        first, second = state["exp_avg"], state["exp_avg_sq"]
        first.lerp_(grad, 1 - self._betas[0])
        second.mul_(self._betas[1]).addcmul_(grad, grad, value=1 - self._betas[1])
        update = (first / (1 - self._betas[0] ** step)) / ((second / (1 - self._betas[1] ** step)).sqrt_() + self._epsilon)
        if projected:
            update = _unproject(update, state["basis"], weight.shape).mul_(self._scale)
        weight.mul_(1 - rate * decay).add_(update.to(weight.dtype), alpha=-rate)


def _basis(grad: Tensor, rank: int) -> Tensor:
    """The leading singular vectors on the shorter side, (shorter, rank). Found through the shorter side's Gram matrix."""
    gram = grad @ grad.T if grad.shape[0] <= grad.shape[1] else grad.T @ grad
    _, vectors = torch.linalg.eigh(gram)
    basis: Tensor = vectors[:, -rank:].contiguous()
    return basis


def _project(grad: Tensor, basis: Tensor) -> Tensor:
    return basis.T @ grad if grad.shape[0] <= grad.shape[1] else grad @ basis


def _unproject(update: Tensor, basis: Tensor, shape: torch.Size) -> Tensor:
    return basis @ update if shape[0] <= shape[1] else update @ basis.T
