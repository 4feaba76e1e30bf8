"""Several processes that each hold a part of every weight, frozen or trained: DeepSpeed's ZeRO stage 3 (Rajbhandari et al. 2020, arXiv:1910.02054).

A layer is gathered while it computes. The loop, optimiser state and checkpoints see of each trained weight this process's part, a vector in
DeepSpeed's memory, filled up so that all are as long. Weights that are read outside the module that owns them, such as the output head's, are made
known to DeepSpeed, since nothing else would gather them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Module, Parameter
from torch.optim import Optimizer

from adapt.adapter.distributed.zero import STEP, Zero

if TYPE_CHECKING:
    from adapt.adapter.methods.attached import Attached


class Zero3(Zero):
    """The processes of torch's default group, each with its parts of one model."""

    settings: Mapping[str, Any] = {"stage": 3, "overlap_comm": False, "stage3_param_persistence_threshold": 0, "stage3_max_reuse_distance": 0}
    """No weight stays whole after it was used: a whole copy would not follow when a part is set, as for the average of weights."""

    def __init__(self, *, local: int, device: str) -> None:
        super().__init__(local=local, device=device)
        self._weights: dict[str, Any] = {}
        """Trained weights as DeepSpeed holds them."""
        self._parts: dict[str, Parameter] = {}

    def shard(self, attached: Attached) -> bool:
        """Happens with the optimiser (`take_over`); the base cannot be used for another training after it."""
        return True

    def take_over(self, model: Module, weights: dict[str, Parameter], optimiser: Optimizer, max_norm: float) -> None:
        from deepspeed.runtime.zero import register_external_parameter

        super().take_over(model, weights, optimiser, max_norm)
        self._weights.update(weights)
        self._parts = {name: Parameter(weight.ds_tensor.detach()) for name, weight in self._weights.items()}
        weights.update(self._parts)
        whole: Any = model
        for weight in (*whole.get_output_embeddings().parameters(), *self._engine.module.beside):
            register_external_parameter(self._engine.module, weight)

    def whole(self, name: str, tensor: Tensor) -> Tensor:
        if name not in self._parts or tensor.shape != self._parts[name].shape:
            return tensor.cpu()
        parts = [torch.empty_like(tensor, device=self._device) for _ in range(self.size)]
        dist.all_gather(parts, tensor.to(self._device).contiguous())
        weight = self._weights[name]
        return torch.cat(parts)[: weight.ds_numel].view(weight.ds_shape).cpu()

    def part(self, name: str, tensor: Tensor) -> Tensor:
        if name not in self._parts or tensor.shape != self._weights[name].ds_shape:
            return tensor
        long = self._parts[name].numel()
        filled = torch.zeros(long * self.size, dtype=tensor.dtype)
        filled[: tensor.numel()] = tensor.flatten()
        return filled[self.number * long : (self.number + 1) * long]

    def optimiser_state(self, optimiser: Optimizer, weights: Mapping[str, Parameter]) -> dict[str, Tensor]:
        from deepspeed.utils import safe_get_local_optimizer_state

        found = {}
        kept: Mapping[str, Any] = next((state for state in optimiser.state.values() if state), {})
        for what, value in kept.items():
            for name, weight in self._weights.items() if isinstance(value, Tensor) else ():
                part = value if what == STEP else safe_get_local_optimizer_state(weight, what)
                found[f"{what}/{name}"] = part.detach().cpu().clone()
        return found

    def restore_optimiser(self, optimiser: Optimizer, weights: Mapping[str, Parameter], tensors: Mapping[str, Tensor]) -> None:
        from deepspeed.utils import safe_set_local_optimizer_state

        self._engine.optimizer.refresh_fp32_params()  # the weights were restored before
        for flat in self._engine.optimizer.fp32_partitioned_groups_flat:
            for key, tensor in tensors.items():
                what = key.partition("/")[0]
                optimiser.state[flat][what] = tensor.to(flat.device) if what == STEP else torch.zeros_like(flat)
        for key, tensor in tensors.items():
            what, _, name = key.partition("/")
            if what != STEP:
                safe_set_local_optimizer_state(self._weights[name], tensor.to(self._device), what)

    def gather(self, attached: Attached) -> None:
        self._engine.destroy()
        for name, part in self._parts.items():
            self._weights[name].data = self.whole(name, part.detach())
        attached.weights.update({name: weight for name, weight in self._weights.items() if name in attached.weights})
