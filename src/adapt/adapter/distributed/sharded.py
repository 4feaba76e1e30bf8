"""Several processes that each hold a part of every decoder layer: torch's FSDP2 (Zhao et al. 2023, arXiv:2304.11277).

Frozen and trained weights of the decoder layers are sharded; a layer is gathered while it computes, and its gradients are summed and scattered.
What lies outside the layers, such as embeddings and the output head, is whole in every process. The loop, optimiser and checkpoints see each
sharded weight as a plain tensor, this process's part of it, so that they need know nothing of FSDP; norms, and what is written to disk, are taken
over all parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn import Module, Parameter

from adapt.adapter.distributed.processes import Processes
from adapt.adapter.methods.layers import decoder_layers

if TYPE_CHECKING:
    from adapt.adapter.methods.attached import Attached


class _Weight(NamedTuple):
    """A trained weight whose parts the processes hold."""

    module: Module
    attribute: str
    sharded: Any
    """The DTensor that FSDP works with."""
    part: Parameter
    """This process's part, in the same memory."""


class Sharded(Processes):
    """The processes of torch's default group, each with its parts of one model."""

    in_step = True
    """Each takes part in the gathering of every layer."""

    def __init__(self, *, local: int, device: str) -> None:
        super().__init__(local=local, device=device)
        self._mesh = init_device_mesh(device, (self.size,))
        self._weights: dict[str, _Weight] = {}

    def loads_on(self, kind: str) -> str:
        """Layer by layer a model comes from the CPU's memory to the devices, none of which need hold it whole."""
        return "cpu"

    def shard(self, attached: Attached) -> bool:
        causal: Any = attached.causal
        layers = list(decoder_layers(causal).values())
        inside = {id(weight) for layer in layers for weight in layer.parameters()}
        places = _places(attached.model, {id(weight) for weight in attached.weights.values()} & inside)
        outside = {weight for weight in attached.model.parameters() if id(weight) not in inside}
        for weight in outside:
            weight.data = weight.data.to(self._device)
        for layer in layers:
            fully_shard(layer, mesh=self._mesh)
        fully_shard(getattr(causal, causal.base_model_prefix), mesh=self._mesh, ignored_params=outside)
        for module in attached.model.modules():
            if isinstance(module, FSDPModule):
                module.set_force_sum_reduction_for_comms(True)
                module.set_gradient_divide_factor(1.0)  # a step's loss is divided by the weight of all its items before
        for name, weight in attached.weights.items():
            if id(weight) in places:
                module, attribute = places[id(weight)]
                sharded: Any = getattr(module, attribute)
                self._weights[name] = _Weight(module, attribute, sharded, Parameter(sharded.to_local().detach()))
        attached.weights.update({name: found.part for name, found in self._weights.items()})
        return True

    def gather(self, attached: Attached) -> None:
        for module in attached.model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()
        for name, found in self._weights.items():
            whole = Parameter(self.whole(name, found.part.detach()))
            found.module.register_parameter(found.attribute, whole)
            attached.weights[name] = whole

    def sum_gradients(self, weights: Mapping[str, Parameter]) -> None:
        for found in self._weights.values():
            grad = found.sharded.grad
            found.part.grad = None if grad is None else grad.to_local()
            found.sharded.grad = None
        self.sum_of([weight for name, weight in weights.items() if name not in self._weights])

    def clip(self, weights: Mapping[str, Parameter], max_norm: float) -> float:
        squares = {name: _square(weight) for name, weight in weights.items() if weight.grad is not None}
        none = torch.zeros((), dtype=torch.float64, device=self._device)
        own = sum((square for name, square in squares.items() if name in self._weights), none)
        norm = (sum((square for name, square in squares.items() if name not in self._weights), self.tensor(own))).sqrt()
        factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)  # as torch clips
        for weight in weights.values():
            if weight.grad is not None:
                weight.grad.mul_(factor.to(weight.grad.dtype))
        return float(norm)

    def whole(self, name: str, tensor: Tensor) -> Tensor:
        found = self._weights.get(name)
        if found is None or tensor.shape != found.part.shape:
            return tensor.cpu()
        like = found.sharded
        parts = DTensor.from_local(tensor.to(self._device), self._mesh, like.placements, shape=like.shape, stride=like.stride())
        return parts.full_tensor().cpu()

    def part(self, name: str, tensor: Tensor) -> Tensor:
        found = self._weights.get(name)
        if found is None or tensor.shape != found.sharded.shape:
            return tensor
        parts = tensor.chunk(self.size)
        return parts[self.number] if self.number < len(parts) else tensor[:0]


def _places(model: Module, wanted: set[int]) -> dict[int, tuple[Module, str]]:
    """Where the parameters with these ids stand."""
    return {
        id(weight): (module, name) for module in model.modules() for name, weight in module.named_parameters(recurse=False) if id(weight) in wanted
    }


def _square(weight: Parameter) -> Tensor:
    """Sum of the squares of a gradient."""
    if weight.grad is None:
        raise AssertionError("a weight without a gradient")
    return weight.grad.detach().double().square().sum()
