"""An exponential moving average of weights in training, which is often better than any of the weights that it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import Parameter


class Average:
    """Of `weights`, from where they are now. With `decay` d, each step keeps d of the average and takes 1 - d of the weights."""

    def __init__(self, weights: Mapping[str, Parameter], decay: float) -> None:
        self._weights, self._decay = weights, decay
        self.tensors = {name: weight.detach().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def take(self) -> None:
        """Take in the weights after a step."""
        for name, weight in self._weights.items():
            self.tensors[name].lerp_(weight, 1 - self._decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block the weights are the average."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from an average that was kept."""
        for name, tensor in tensors.items():
            self.tensors[name].copy_(tensor)

    def _swap(self) -> None:
        for name, weight in self._weights.items():
            kept = weight.detach().clone()  # copied, since a sharded weight has to stay in its memory
            weight.data.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)
