"""IA3 (Liu et al. 2022, arXiv:2205.05638), which scales activations, and the tuning of normalisation layers (Zhao et al. 2023, arXiv:2312.11420)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, cast

import torch
from peft import IA3Config, LNTuningConfig, PeftModel
from transformers import PreTrainedModel

from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.lowrank import TASK, linear_modules, with_adapter
from adapt.base.names import check_modules
from adapt.errors import InputError
from adapt.spec.resolved.train import TrainSection
from adapt.spec.train import Ia3Train


class _Mixed(Attached):
    """Normalisation layers in float32 on a base in fewer bits: products are cast on the way."""

    def __init__(self, model: PeftModel, compute: str) -> None:
        super().__init__(model)
        self._compute = getattr(torch, compute)
        for weight in self.weights.values():
            weight.data = weight.data.float()

    def computing(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.causal.device.type, self._compute, enabled=self._compute != torch.float32)


def attach(base: Base, section: TrainSection, *, device: str) -> Attached:
    """The base with scales of one, or with copies of its normalisation layers. Raises InputError when the base has no such modules."""
    train = section.train
    model = base.load(dtype=train.dtype, device=device)
    if isinstance(train, Ia3Train):
        return Attached(with_adapter(model, _ia3(model, train), seed=section.seed))
    names = normalisation_names(model)
    config = LNTuningConfig(target_modules=names, task_type=TASK)
    return _Mixed(with_adapter(model, config, seed=section.seed), train.dtype)


def normalisation_names(model: PreTrainedModel) -> list[str]:
    """Last parts of the names of the normalisation layers of the hidden states, sorted: those with one weight per hidden unit."""
    size = model.config.get_text_config().hidden_size
    found = set()
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if type(module).__name__.endswith("Norm") and isinstance(weight, torch.Tensor) and tuple(weight.shape) == (size,):
            found.add(name.rpartition(".")[2])
    if not found:
        raise InputError(f"{type(model).__name__} has no normalisation layers that are known", hint="choose another method, such as lora")
    return sorted(found)


def _ia3(model: PreTrainedModel, train: Ia3Train) -> IA3Config:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as FEED_FORWARD
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as TARGETS

    outputs, inputs = train.scaled_modules, train.scaled_input_modules
    linear = {name.rpartition(".")[2] for name in linear_modules(model)}
    if outputs is None or inputs is None:
        kind = str(cast(Any, model.config).model_type)
        if kind not in TARGETS:
            raise InputError(
                f"peft does not know which modules IA3 scales in {kind}",
                hint=f"set train.scaled_modules and train.scaled_input_modules; its linear modules: {', '.join(sorted(linear))}",
            )
        inputs = tuple(FEED_FORWARD[kind])
        outputs = tuple(name for name in TARGETS[kind] if name not in inputs)
    else:
        check_modules("train.scaled_modules", outputs, linear, hint="leave it unset for peft's choice")
        check_modules("train.scaled_input_modules", inputs, linear, hint="leave it unset for peft's choice")
    return IA3Config(target_modules=sorted({*outputs, *inputs}), feedforward_modules=sorted(inputs), task_type=TASK)
