"""What every training method has in section `train`."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from adapt.spec.methods import METHODS
from adapt.spec.section import Section


class CommonTrain(Section):
    """What every method has."""

    epochs: float = Field(default=2.0, gt=0, le=100)
    """Passes over the training records."""
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    """Peak learning rate; unset: the method's own, see docs/methods.md."""
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    """Course of the learning rate after warm-up; `linear` and `cosine` end at zero."""
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps in which the rate rises to its peak."""
    batch_tokens: int = Field(default=2048, ge=16)
    """Padded tokens in one forward pass, at most; a longer record makes a batch of its own."""
    accumulate: int = Field(default=1, ge=1)
    """Forward passes per optimiser step; the loss is the mean over all their response tokens."""
    max_length_tokens: int = Field(default=1024, ge=16)
    """Longest record in tokens, prompt included; longer ones are left out and counted."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled weight decay."""
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
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Number format of the frozen base and of the computation; trained weights are held in float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; `auto` takes a CUDA device when there is one."""

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_method(cls, values: Any) -> Any:
        """The method's own learning rate where none is given, so that the resolved section holds the number."""
        if not isinstance(values, Mapping) or values.get("learning_rate") is not None:
            return values
        field = cls.model_fields.get("method")
        method = values.get("method", field.default if field is not None else None)
        return {**values, "learning_rate": METHODS[method].learning_rate} if isinstance(method, str) and method in METHODS else values

    @property
    def peak_rate(self) -> float:
        """The learning rate in force."""
        if self.learning_rate is None:
            raise AssertionError("a section of no method")
        return self.learning_rate
