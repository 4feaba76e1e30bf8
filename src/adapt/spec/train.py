"""Section `train`: how an adapter is trained. One model per family of methods, with the fields that its methods read."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from adapt.spec.common_train import CommonTrain
from adapt.spec.low_rank_train import (
    AdaloraTrain,
    EvaTrain,
    LoftqTrain,
    LokrTrain,
    LongloraTrain,
    LoraPlusTrain,
    LoraTrain,
    PissaTrain,
    QloraTrain,
)

Pattern = Annotated[str, StringConstraints(min_length=1)]
ModuleName = Annotated[str, StringConstraints(min_length=1)]


class WeightsTrain(CommonTrain):
    """Weights of the base itself, chosen by the method: all of them, biases, or those of normalisation layers."""

    method: Literal["full", "bitfit", "ln_tuning"]
    """How the adapter is trained."""


class FreezeTrain(CommonTrain):
    """The last layers of the base, the others frozen."""

    method: Literal["freeze"]
    """How the adapter is trained."""
    layers: int = Field(default=2, ge=0)
    """Decoder layers that are trained, counted from the last; 0 leaves the choice to `modules`."""
    modules: tuple[Pattern, ...] = ()
    """Further modules that are trained, as shell patterns of their full names, such as `model.norm` or `*.layers.0.mlp.*`."""

    @model_validator(mode="after")
    def _trains_something(self) -> Self:
        if not self.layers and not self.modules:
            raise ValueError("layers is 0 and modules is empty, so nothing would be trained")
        return self


class GaloreTrain(CommonTrain):
    """Every weight, with gradients projected to a low rank for the optimiser (Zhao et al. 2024, arXiv:2403.03507)."""

    method: Literal["galore"]
    """How the adapter is trained."""
    projection_rank: int = Field(default=128, ge=1)
    """Rank of the projected gradients of each matrix."""
    projection_every_steps: int = Field(default=200, ge=1)
    """Optimiser steps between new projections."""
    projection_scale: float = Field(default=2.0, gt=0)
    """Factor on the update of projected matrices."""


class BottleneckTrain(CommonTrain):
    """Small layers with a bottleneck inside each decoder layer, the base frozen."""

    method: Literal["houlsby", "pfeiffer", "parallel"]
    """How the adapter is trained."""
    bottleneck_size: int = Field(default=64, ge=1)
    """Units of the narrow layer."""
    activation: Literal["relu", "gelu", "silu"] = "relu"
    """Function between the two projections."""
    bottleneck_scale: float = Field(default=1.0, gt=0)
    """Factor on the layer's output; the paper on parallel adapters takes 4."""


class Ia3Train(CommonTrain):
    """Learnt scales of activations (Liu et al. 2022, arXiv:2205.05638)."""

    method: Literal["ia3"]
    """How the adapter is trained."""
    scaled_modules: tuple[ModuleName, ...] | None = None
    """Linear modules whose output is scaled, by the last part of their name; unset: keys and values, as peft knows them for the architecture."""
    scaled_input_modules: tuple[ModuleName, ...] | None = None
    """Linear modules whose input is scaled; unset: the second feed-forward layer, as peft knows it."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.scaled_modules is None) != (self.scaled_input_modules is None):
            raise ValueError("set both scaled_modules and scaled_input_modules, or none of them")
        return self


class PromptTuningTrain(CommonTrain):
    """Virtual tokens before every prompt (Lester et al. 2021, arXiv:2104.08691)."""

    method: Literal["prompt_tuning"]
    """How the adapter is trained."""
    virtual_tokens: int = Field(default=20, ge=1)
    """Virtual tokens before the prompt."""
    initial_text: str | None = Field(default=None, min_length=1)
    """Text whose embeddings the virtual tokens begin with, repeated or cut to fit; unset: tokens of the vocabulary at random."""


class PrefixTrain(CommonTrain):
    """Virtual tokens whose keys or embeddings an encoder gives while training (prefix tuning; P-tuning)."""

    method: Literal["prefix_tuning", "p_tuning"]
    """How the adapter is trained."""
    virtual_tokens: int = Field(default=20, ge=1)
    """Virtual tokens before the prompt."""
    encoder_size: int = Field(default=128, ge=1)
    """Hidden units of the encoder, which is not kept after training."""


class DeepPromptTrain(CommonTrain):
    """Keys and values of virtual tokens in every layer, trained directly (Liu et al. 2021, arXiv:2110.07602)."""

    method: Literal["p_tuning_v2"]
    """How the adapter is trained."""
    virtual_tokens: int = Field(default=20, ge=1)
    """Virtual tokens before the prompt."""


TrainSpec = Annotated[
    LoraTrain
    | QloraTrain
    | LoftqTrain
    | LoraPlusTrain
    | PissaTrain
    | EvaTrain
    | AdaloraTrain
    | LokrTrain
    | LongloraTrain
    | WeightsTrain
    | FreezeTrain
    | GaloreTrain
    | BottleneckTrain
    | Ia3Train
    | PromptTuningTrain
    | PrefixTrain
    | DeepPromptTrain,
    Field(discriminator="method"),
]
