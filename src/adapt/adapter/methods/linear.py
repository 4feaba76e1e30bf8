"""A frozen linear layer and its low-rank update as one differentiable step.

peft casts every input to the adapter's float32 and adds the update in passes of its own. Here both products run in the base's number
format and accumulate in place; the adapter's weights and their gradients stay in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MethodType
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora.layer import Linear
from torch import Tensor
from torch.nn.functional import linear

ADAPTER = "default"


def fuse(model: PeftModel) -> None:
    """Let every adapter on a plain linear layer of `model` take the fused step. Quantized layers and variants such as DoRA stay with peft."""
    for _, layer in fused_layers(model):
        setattr(layer, "forward", MethodType(_forward, layer))  # noqa: B010


def fused_layers(model: PeftModel) -> Iterator[tuple[str, Any]]:
    """Adapters on plain linear layers of `model`, by the layer's name in the base."""
    for name, module in model.get_base_model().named_modules():
        if type(module) is Linear and type(module.base_layer) is torch.nn.Linear and not module.lora_variant:
            yield name, module


def _forward(self: Any, x: Tensor) -> Tensor:
    if self.disable_adapters:
        plain: Tensor = self.base_layer(x)
        return plain
    base, dropout = self.base_layer, self.lora_dropout[ADAPTER]
    dropped = dropout(x) if self.training and not isinstance(dropout, torch.nn.Identity) else None
    a, b, scaling = self.lora_A[ADAPTER].weight, self.lora_B[ADAPTER].weight, self.scaling[ADAPTER]
    out: Tensor = _Updated.apply(x, dropped, base.weight, base.bias, a, b, scaling)  # type: ignore[no-untyped-call]
    return out


class _Updated(torch.autograd.Function):
    """y = x W' + bias + scaling (d A') B', where d is x after dropout; W and bias are frozen."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped: Tensor | None, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float) -> Tensor:
        rows = (x if dropped is None else dropped).reshape(-1, x.shape[-1])
        a, b = a.to(x.dtype), b.to(x.dtype)
        low = rows @ a.t()
        y = linear(x, weight, bias)
        y.view(-1, y.shape[-1]).addmm_(low, b.t(), alpha=scaling)
        ctx.save_for_backward(rows, low, weight, a, b)
        ctx.scaling, ctx.own_input = scaling, dropped is None
        return y

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        rows, low, weight, a, b = ctx.saved_tensors
        grad = outer[0].reshape(-1, weight.shape[0])
        grad_low = (grad @ b).mul_(ctx.scaling)
        grad_a, grad_b = (grad_low.t() @ rows).float(), (grad.t() @ low).float().mul_(ctx.scaling)
        grad_x = grad @ weight if ctx.needs_input_grad[0] else None
        grad_dropped = None
        if ctx.own_input and grad_x is not None:
            grad_x.addmm_(grad_low, a)
        elif ctx.needs_input_grad[1]:
            grad_dropped = (grad_low @ a).view(*outer[0].shape[:-1], -1)
        return None if grad_x is None else grad_x.view(*outer[0].shape[:-1], -1), grad_dropped, None, None, grad_a, grad_b, None
