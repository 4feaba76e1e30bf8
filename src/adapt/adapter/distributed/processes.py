"""Several processes that each have the whole model: gradients are added up once all passes of a step are done.

torch's DistributedDataParallel is not used. It hooks the forward pass of one module, and passes here go through parts of a model; it sums after every
backward pass, and its mean over processes is not the mean over response tokens. With low-rank adapters there is little to send.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from adapt.adapter.distributed.ranks import Ranks
from adapt.errors import InputError

if TYPE_CHECKING:
    from adapt.adapter.passes import Outcome

BUCKET_ELEMENTS = 1 << 24
"""Numbers that are sent at once."""


class Processes(Ranks):
    """The processes of torch's default group, one of which this is."""

    def __init__(self, *, local: int, device: str) -> None:
        """`local` is this process's number on its machine, `device` the type of devices that are trained on."""
        self.number, self.size = dist.get_rank(), dist.get_world_size()
        self._device = f"cuda:{local}" if device == "cuda" else device

    def device(self, kind: str) -> str:
        return self._device

    def exchange(self, value: Any) -> list[Any]:
        """The JSON values of all processes, in their order; every process has to call this."""
        content = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8).to(self._device)
        size = torch.tensor([len(content)], device=self._device)
        sizes = [torch.zeros_like(size) for _ in range(self.size)]
        dist.all_gather(sizes, size)
        longest = max(int(each) for each in sizes)
        padded = torch.zeros(longest, dtype=torch.uint8, device=self._device)
        padded[: len(content)] = content
        found = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(found, padded)
        return [json.loads(bytes(each[: int(size)].tolist())) for each, size in zip(found, sizes, strict=True)]

    def joined(self, found: Outcome, numbers: Sequence[int], passes: int) -> Outcome:
        losses, figures, tokens = [0.0] * passes, dict[str, list[float]](), 0
        for some, values, shares, seen in self.exchange([list(numbers), found.losses, found.figures, found.tokens]):
            for number, value in zip(some, values, strict=True):
                losses[number] = value
            for name, value in shares.items():
                figures.setdefault(name, []).append(value)
            tokens += seen
        return replace(found, losses=losses, figures={name: math.fsum(figures[name]) for name in sorted(figures)}, tokens=tokens)

    def sum_gradients(self, weights: Mapping[str, Parameter]) -> None:
        self.sum_of(list(weights.values()))

    def sum_of(self, weights: Sequence[Parameter]) -> None:
        """Add up the gradients of `weights` over all processes. A weight that has one in some process has one in all of them then."""
        has = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.int32, device=self._device)
        if len(weights):
            dist.all_reduce(has, op=dist.ReduceOp.MAX)
        for bucket in _buckets([weight for weight, some in zip(weights, has.tolist(), strict=True) if some]):
            grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in bucket]
            flat = torch.cat([grad.flatten() for grad in grads])
            dist.all_reduce(flat)
            for weight, summed in zip(bucket, torch.split(flat, [grad.numel() for grad in grads]), strict=True):
                weight.grad = summed.view_as(weight).clone()

    def agree(self, what: str, value: int) -> None:
        found = self.exchange(value)
        if len(set(found)) > 1:
            raise InputError(
                f"the processes of a training differ in {what}: {', '.join(map(str, found))}",
                hint="the workspace must lie on storage that every machine sees under the same path",
            )

    def tensor(self, value: Tensor) -> Tensor:
        """A sum of `value` over all processes."""
        total = value.clone()
        dist.all_reduce(total)
        return total


def _buckets(weights: Sequence[Parameter]) -> Iterator[list[Parameter]]:
    """`weights` in their order, in runs of one number format and of at most BUCKET_ELEMENTS; a larger one stands alone."""
    bucket: list[Parameter] = []
    size = 0
    for weight in weights:
        if bucket and (size + weight.numel() > BUCKET_ELEMENTS or weight.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(weight)
        size += weight.numel()
    if bucket:
        yield bucket
