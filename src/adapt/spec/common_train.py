"""What every training method has in section `train`."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from adapt.spec.distributed import DistributedSpec, distributed_problems
from adapt.spec.methods import METHODS
from adapt.spec.objective import ObjectiveSpec, SftObjective, StepName
from adapt.spec.objectives import OBJECTIVES
from adapt.spec.optimizer import AdamwOptimizer, OptimizerSpec, ParameterGroup
from adapt.spec.section import Section
from adapt.spec.speed import speed_problems


class CommonTrain(Section):
    """What every method has."""

    objective: ObjectiveSpec = SftObjective()
    """What is minimised: a kind, such as `dpo`, or a section with its settings; see docs/methods.md."""
    start_from: StepName | None = None
    """Step of `steps` whose adapter is trained further; unset: a new adapter."""
    epochs: float = Field(default=2.0, gt=0, le=100)
    """Passes over the training records."""
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    """Peak learning rate; unset: the method's own times the objective's factor, see docs/methods.md."""
    optimizer: OptimizerSpec = AdamwOptimizer()
    """How gradients become steps: a kind, such as `lion`, or a section with its settings."""
    parameter_groups: tuple[ParameterGroup, ...] = ()
    """Weights that learn at a pace of their own."""
    schedule: Literal["linear", "cosine", "constant", "wsd"] = "cosine"
    """Course of the learning rate after warm-up; all but `constant` end at zero. `wsd` is constant, then falls (Hu et al. 2024, arXiv:2404.06395)."""
    decay_ratio: float | None = Field(default=None, gt=0, le=1)
    """For `wsd`: share of the steps in which the rate falls linearly to zero; unset: 0.2."""
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the rate rises to its peak."""
    batch_tokens: int = Field(default=2048, ge=16)
    """Tokens in one forward pass, padding included, at most; a longer record makes a batch of its own."""
    packing: Literal["auto", "packed", "padded"] = "auto"
    """Records behind each other in one row, kept apart exactly, or side by side and padded; `auto` packs where base, method and kernels allow it."""
    accumulate: int = Field(default=1, ge=1)
    """Forward passes per optimiser step; the loss is the mean over all their response tokens."""
    max_length_tokens: int = Field(default=1024, ge=16)
    """Longest record in tokens, prompt included; longer ones are left out and counted."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay; with `sgd` it is added to the gradient."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of each target that is spread over the vocabulary in training; validation measures the plain likelihood."""
    neftune_alpha: float | None = Field(default=None, gt=0)
    """Size of random noise on embeddings in training (Jain et al. 2023, arXiv:2310.05914), such as 5; unset: none."""
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Decay per step of a moving average of the trained weights, which is what is measured and saved; unset: the weights themselves."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Norm to which gradients are clipped."""
    evaluate_every_steps: int = Field(default=10, ge=1)
    """Optimiser steps between measurements of the validation loss."""
    patience: int | None = Field(default=5, ge=1)
    """Measurements without a better validation loss before training stops; null never stops early. The best weights are kept either way."""
    checkpoint_every_steps: int = Field(default=20, ge=1)
    """Optimiser steps between checkpoints that a killed training resumes from."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    offload_activations: bool = False
    """Keep activations for the backward pass in the CPU's memory, for training on a GPU."""
    compile: bool = False
    """Compile the decoder layers (torch.compile). Pays on GPUs and long trainings: the first steps take minutes, on a CPU many."""
    kernels: Literal["torch", "liger"] = "torch"
    """Code of normalisations and feed-forward layers; `liger` takes fused kernels (Hsu et al. 2024, arXiv:2410.10989), on CUDA alone."""
    attention: Literal["auto", "flex"] = "auto"
    """Attention of packed records on CUDA; `auto` takes FlashAttention 2 where it is installed, `flex` the FlexAttention of torch (Dong et al. 2024,
    arXiv:2412.05496)."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Number format of the frozen base and of the computation; trained weights are held in float32. `auto` takes bfloat16 where the device has
    instructions for it, else float32; training.json records which."""
    cotraining: Literal["interleaved", "fused"] = "interleaved"
    """Beside other adapters of one build: `interleaved` steps give the bytes of training alone; `fused` lets steps share forward passes with others
    where that is faster, and rounding differ."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; `auto` takes a CUDA device when there is one."""
    distributed: DistributedSpec | None = None
    """Train in several processes; unset: in one."""

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_method(cls, values: Any) -> Any:
        """The learning rate of method and objective where none is given, so that the resolved section holds the number."""
        if not isinstance(values, Mapping) or values.get("learning_rate") is not None:
            return values
        field = cls.model_fields.get("method")
        method = values.get("method", field.default if field is not None else None)
        if not isinstance(method, str) or method not in METHODS:
            return values
        return {**values, "learning_rate": METHODS[method].learning_rate * _rate_of(values.get("objective"))}

    @model_validator(mode="after")
    def _every_setting_is_read(self) -> Self:
        if self.decay_ratio is not None and self.schedule != "wsd":
            raise ValueError(f"decay_ratio is set, and schedule {self.schedule} does not read it; set schedule to wsd")
        if self.label_smoothing and self.objective.kind not in ("sft", "pretrain"):
            raise ValueError(f"label_smoothing is set, and objective {self.objective.kind} has no targets to smooth; sft and pretrain have")
        if self.ema_decay is not None and getattr(self, "method", None) == "adalora":
            raise ValueError("ema_decay is set, and a mean of adalora's weights has more ranks than asked for; unset it, or choose another method")
        if self.cotraining == "fused" and (reason := self.keeps_passes_alone):
            raise ValueError(f"cotraining is fused, and {reason}, so no forward pass could be shared; set it to interleaved")
        for problem in (*distributed_problems(self), *speed_problems(self)):
            raise ValueError(problem)
        return self

    @property
    def keeps_passes_alone(self) -> str | None:
        """Why forward passes cannot be shared with other trainings."""
        method = getattr(self, "method", None)
        if isinstance(method, str) and not METHODS[method].shares_passes:
            return f"method {method} changes more of the model than low-rank updates of linear layers"
        names = ("neftune_alpha", "gradient_checkpointing", "offload_activations", "distributed", "compile")
        chosen = {"packing": "padded", "kernels": "liger", "attention": "flex"}
        found = [f"{name} is set" for name in names if getattr(self, name)]
        return next(iter([*found, *(f"{name} is {value}" for name, value in chosen.items() if getattr(self, name) == value)]), None)

    @property
    def peak_rate(self) -> float:
        """The learning rate in force."""
        if self.learning_rate is None:
            raise AssertionError("a section of no method")
        return self.learning_rate


def _rate_of(objective: Any) -> float:
    """Factor of an objective that is given in any of its forms; what is none is left to validation."""
    kind = objective.get("kind") if isinstance(objective, Mapping) else getattr(objective, "kind", objective)
    return OBJECTIVES[kind].rate if isinstance(kind, str) and kind in OBJECTIVES else 1.0
