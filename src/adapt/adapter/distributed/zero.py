"""Several processes that each hold a part of the gradients and of the optimiser's state: DeepSpeed's ZeRO stage 2.

Weights are whole in every process (Rajbhandari et al. 2020, arXiv:1910.02054). DeepSpeed sums the gradients of each backward pass, clips, and has the
optimiser step over its part of all weights, laid behind each other; the loop and its checkpoints see weights and state by name, as in one process.
Every pass goes through DeepSpeed's engine: there it learns that another pass of the same step begins.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter, ParameterList
from torch.optim import Optimizer

from adapt.adapter.distributed.processes import Processes

if TYPE_CHECKING:
    from adapt.adapter.methods.attached import Attached
    from adapt.adapter.objectives.objective import Loss


STEP = "step"
"""What an optimiser remembers of a weight that is one number for all."""


class Zero(Processes):
    """The processes of torch's default group, which divide the optimiser's work between them."""

    in_step = True
    settings: Mapping[str, Any] = {"stage": 2, "overlap_comm": False}
    """DeepSpeed's, of ZeRO."""

    def __init__(self, *, local: int, device: str) -> None:
        super().__init__(local=local, device=device)
        os.environ.setdefault("DS_ACCELERATOR", device)  # it would look for other devices than we train on
        self._engine: Any = None
        self._groups: list[list[Parameter]] = []

    def take_over(self, model: Module, weights: dict[str, Parameter], optimiser: Optimizer, max_norm: float) -> None:
        self._groups = [list(group["params"]) for group in optimiser.param_groups]
        with redirect_stdout(sys.stderr):  # it prints, and stdout is for what was asked for
            import deepspeed

            logging.getLogger("DeepSpeed").setLevel(logging.ERROR)
            config = {
                "train_micro_batch_size_per_gpu": 1,  # asked for, and used for its own logs alone
                "managed_gradient_accumulation": False,  # a step has as many passes as it has
                "gradient_clipping": max_norm,
                "zero_optimization": dict(self.settings),
                "zero_allow_untested_optimizer": True,
                "steps_per_print": None,
            }
            self._engine = deepspeed.initialize(model=_Pass(model, weights), optimizer=optimiser, config=config, dist_init_required=False)[0]

    def forward(self, compute: Callable[[], Loss]) -> Loss:
        kept: list[Loss] = []

        def total() -> Tensor:
            kept.append(compute())
            return kept[0].total

        found: Tensor = self._engine(total)
        return replace(kept[0], total=found)

    def backward(self, loss: Tensor) -> None:
        self._engine.backward(loss * self.size, scale_wrt_gas=False)  # it takes the mean over processes

    def sum_gradients(self, weights: Mapping[str, Parameter]) -> None:
        """They are summed already."""

    def clip(self, weights: Mapping[str, Parameter], max_norm: float) -> float:
        """Clips and takes the step, which DeepSpeed does at once; no gradients are left that the optimiser by itself would see."""
        self._engine.step()
        return float(self._engine.get_global_grad_norm())

    def optimiser_state(self, optimiser: Optimizer, weights: Mapping[str, Parameter]) -> dict[str, Tensor]:
        from deepspeed.utils import safe_get_full_optimizer_state

        found = {}
        for flat, members in self._flat_groups(optimiser, weights):
            for what, value in optimiser.state.get(flat, {}).items():
                for name, weight in members.items() if isinstance(value, Tensor) else ():
                    whole = value if what == STEP else safe_get_full_optimizer_state(weight, what)
                    found[f"{what}/{name}"] = whole.detach().cpu().clone()
        return found

    def restore_optimiser(self, optimiser: Optimizer, weights: Mapping[str, Parameter], tensors: Mapping[str, Tensor]) -> None:
        from deepspeed.utils import lazy_init_hp_params_optimizer_state, safe_set_full_optimizer_state

        self._engine.optimizer.refresh_fp32_params()  # the weights were restored before
        kinds = sorted({key.partition("/")[0] for key in tensors})
        for flat, members in self._flat_groups(optimiser, weights):
            for what in kinds:
                step = tensors[f"{what}/{next(iter(members))}"]
                optimiser.state[flat][what] = step.to(flat.device) if what == STEP else torch.zeros_like(flat)
            lazy_init_hp_params_optimizer_state(list(members.values()), flat, optimiser.state)
            for what in kinds:
                for name, weight in members.items() if what != STEP else ():
                    safe_set_full_optimizer_state(weight, tensors[f"{what}/{name}"].to(flat.device), what)

    def gather(self, attached: Attached) -> None:
        """Takes the weights out of DeepSpeed's memory, and its hooks off the model."""
        self._engine.destroy()
        for weight in attached.weights.values():
            weight.data = weight.data.cpu().clone()

    def _flat_groups(self, optimiser: Optimizer, weights: Mapping[str, Parameter]) -> Iterator[tuple[Parameter, dict[str, Parameter]]]:
        """Of each group of the optimiser this process's part of its weights, behind each other, and the weights by name."""
        names = {id(weight): name for name, weight in weights.items()}
        for group, members in zip(optimiser.param_groups, self._groups, strict=True):
            yield group["params"][0], {names[id(weight)]: weight for weight in members}


class _Pass(Module):
    """A model and the weights beside it, whose forward pass is whatever it is given."""

    def __init__(self, model: Module, weights: Mapping[str, Parameter]) -> None:
        super().__init__()
        inside = {id(weight) for weight in model.parameters()}
        self.model = model
        self.beside = ParameterList([weight for weight in weights.values() if id(weight) not in inside])

    def forward(self, compute: Callable[[], Tensor]) -> Tensor:
        return compute()
