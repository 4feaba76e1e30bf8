"""One frozen linear layer under several low-rank adapters, each of which changes the rows of its own sequences alone.

All rows share the base's product, and adapters whose rows are about as many share the small products of their updates, padded to one length and one
rank. Punica and S-LoRA serve adapters so (Chen et al. 2023, arXiv:2310.18547; Sheng et al. 2023, arXiv:2311.03285); mLoRA trains them so (Ye et al.
2023, arXiv:2312.02515).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import linear

PADDED_SHARE = 1.5
"""Padded rows of a group for each of its own at most; beyond that, products of their own cost less."""


class Side(NamedTuple):
    """What one adapter has on a layer."""

    a: Parameter
    """(rank, in), float32."""
    b: Parameter
    """(out, rank), float32."""
    scaling: float


class Group(NamedTuple):
    """Adapters whose small products are one."""

    members: tuple[int, ...]
    """Which adapters of the layer, in the order of their rows."""
    rows: slice | None
    """Their rows of the input where they follow each other and each has as many; then nothing is copied."""
    gathered: Tensor
    """(members * longest,): the row of each padded place; padding repeats the first row of its adapter, so that no other's numbers get there."""
    filled: Tensor
    """(rows,): the padded places that are not padding."""
    mask: Tensor
    """(members, longest, 1): 1 for rows, 0 for padding."""


def groups_of(rows: Mapping[int, slice], like: Tensor) -> list[Group]:
    """A layer's adapters, by their number, that have `rows` of an input, in groups of about as many rows.

    Tensors are made on the device and in the number format of `like`.
    """
    lengths = {position: each.stop - each.start for position, each in rows.items()}
    found: list[list[int]] = []
    for position in sorted(rows, key=lambda position: (-lengths[position], position)):
        inside = [*found[-1], position] if found else []
        if inside and len(inside) * lengths[inside[0]] <= PADDED_SHARE * sum(lengths[each] for each in inside):
            found[-1] = inside
        else:
            found.append([position])
    return [_group(sorted(members, key=lambda position: rows[position].start), rows, like) for members in found]


def _group(members: Sequence[int], rows: Mapping[int, slice], like: Tensor) -> Group:
    own = [rows[member] for member in members]
    longest = max(each.stop - each.start for each in own)
    follow = all(one.stop == other.start for one, other in pairwise(own))
    even = follow and own[-1].stop - own[0].start == longest * len(own)
    places = torch.arange(longest)
    starts, stops = (torch.tensor([getattr(each, end) for each in own]).unsqueeze(1) for end in ("start", "stop"))
    inside = places < stops - starts
    gathered = torch.where(inside, starts + places, starts).flatten()
    filled = inside.flatten().nonzero().flatten()
    return Group(
        tuple(members),
        slice(own[0].start, own[-1].stop) if even else None,
        gathered.to(like.device),
        filled.to(like.device),
        inside.unsqueeze(-1).to(like.device, like.dtype),
    )


class Layer:
    """The updates of several adapters on one frozen linear layer, in the base's number format."""

    def __init__(self, sides: Sequence[Side], weight: Tensor) -> None:
        """`weight` is the frozen one, (out, in). Lower ranks are filled up with zeros, which change nothing and get no gradient."""
        self.sides = sides
        rank = max(len(side.a) for side in sides)
        self.a = weight.new_zeros(len(sides), rank, weight.shape[1]).requires_grad_()
        self.b = weight.new_zeros(len(sides), weight.shape[0], rank)
        self.scaling = weight.new_tensor([side.scaling for side in sides]).view(-1, 1, 1)
        self._held = sides[0].a.dtype
        self._grads: tuple[Tensor, Tensor] | None = None

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Where each weight of an adapter goes, and the weight: to be copied before every step."""
        for number, side in enumerate(self.sides):
            rank = len(side.a)
            yield self.a.detach()[number, :rank], side.a.detach()
            yield self.b[number, :, :rank], side.b.detach()

    def of(self, group: Group) -> tuple[Tensor, Tensor, Tensor]:
        """A, B and scaling of a group's adapters."""
        if group.members == tuple(range(len(self.sides))):
            return self.a.detach(), self.b, self.scaling
        members = list(group.members)
        return self.a.detach()[members], self.b[members], self.scaling[members]

    def add_gradients(self, group: Group, a: Tensor, b: Tensor) -> None:
        """Add to the gradients of a group's adapters, which are held in the number format of the weights."""
        if self._grads is None and group.members == tuple(range(len(self.sides))):
            self._grads = a.to(self._held), b.to(self._held)
            return
        if self._grads is None:
            self._grads = torch.zeros_like(self.a, dtype=self._held), torch.zeros_like(self.b, dtype=self._held)
        members = torch.tensor(group.members, device=a.device)
        for held, found in zip(self._grads, (a, b), strict=True):
            held.index_add_(0, members, found.to(self._held))

    def hand_out(self, members: Iterable[int]) -> None:
        """Leave the gradients of some adapters on their weights, and forget all."""
        if self._grads is not None:
            grad_a, grad_b = self._grads
            for number in members:
                side = self.sides[number]
                rank = len(side.a)
                side.a.grad, side.b.grad = grad_a[number, :rank].contiguous(), grad_b[number, :, :rank].contiguous()
            self._grads = None


def updated(x: Tensor, weight: Tensor, bias: Tensor | None, layer: Layer, groups: Sequence[Group], keep: Tensor | None) -> Tensor:
    """y = x W' + bias, and on each adapter's rows + scaling (k A') B', where k is x times `keep`, or x.

    `x` is (..., in), its rows counted over all other dimensions; `weight` (out, in) and `bias` are frozen; `keep` (rows, in) is what dropout
    multiplies by. Products are in the number format of `x`. The adapters' gradients gather in `layer`, whose copies of their weights are taken.
    """
    out: Tensor = _Updated.apply(x, layer.a, weight, bias, layer, groups, keep)  # type: ignore[no-untyped-call]
    return out


class _Updated(torch.autograd.Function):
    """The copies of A are among the inputs so that the output wants a gradient; theirs does not go through autograd, which would hand it out one by
    one."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, _: Tensor, weight: Tensor, bias: Tensor | None, layer: Layer, groups: Sequence[Group], keep: Tensor | None
    ) -> Tensor:
        y = linear(x, weight, bias)
        rows, out = x.reshape(-1, x.shape[-1]), y.view(-1, y.shape[-1])
        kept = rows if keep is None else rows * keep
        lows = []
        for group in groups:
            a, b, scaling = layer.of(group)
            low = torch.bmm(_gather(kept, group), a.transpose(1, 2)).mul_(scaling)
            if group.rows is None:
                low.mul_(group.mask)
            _add_product(out, group, low, b.transpose(1, 2))
            lows.append(low)
        ctx.save_for_backward(rows, weight, *lows)
        ctx.layer, ctx.groups, ctx.keep = layer, groups, keep
        return y

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> tuple[Tensor | None, ...]:
        rows, weight, *lows = ctx.saved_tensors
        grad = outer[0].reshape(-1, weight.shape[0])
        grad_x = grad @ weight if ctx.needs_input_grad[0] else None
        kept = rows if ctx.keep is None else rows * ctx.keep
        inner = None if grad_x is None else grad_x if ctx.keep is None else torch.zeros_like(grad_x)
        for group, low in zip(ctx.groups, lows, strict=True):
            a, b, scaling = ctx.layer.of(group)
            own = _gather(grad, group)
            grad_low = torch.bmm(own, b).mul_(scaling)
            if group.rows is None:
                grad_low.mul_(group.mask)
            ctx.layer.add_gradients(group, torch.bmm(grad_low.transpose(1, 2), _gather(kept, group)), torch.bmm(own.transpose(1, 2), low))
            if inner is not None:
                _add_product(inner, group, grad_low, a)
        if grad_x is not None and ctx.keep is not None:
            grad_x.addcmul_(inner, ctx.keep)
        return None if grad_x is None else grad_x.view(*outer[0].shape[:-1], -1), None, None, None, None, None, None


def _gather(rows: Tensor, group: Group) -> Tensor:
    """(members, longest, size)."""
    found = rows[group.rows] if group.rows is not None else rows.index_select(0, group.gathered)
    return found.view(len(group.members), -1, rows.shape[-1])


def _add_product(out: Tensor, group: Group, left: Tensor, right: Tensor) -> None:
    """Add to the rows of a group's adapters `left` (members, longest, inner) times `right` (members, inner, size)."""
    if group.rows is not None:
        out[group.rows].view(len(group.members), -1, out.shape[-1]).baddbmm_(left, right)
        return
    product = torch.bmm(left, right).view(-1, out.shape[-1])
    out.index_add_(0, group.gathered.index_select(0, group.filled), product.index_select(0, group.filled))
