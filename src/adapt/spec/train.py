"""Section `train`: how an adapter is trained. What every method shares, and one model per family with the fields that its methods read."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from adapt.spec.methods import METHODS
from adapt.spec.section import Section

Pattern = Annotated[str, StringConstraints(min_length=1)]
ModuleName = Annotated[str, StringConstraints(min_length=1)]


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


class LoraTrain(CommonTrain):
    """Updates of low rank on the base in its own number format; section `lora` gives their shape."""

    method: Literal["lora", "rslora", "dora", "olora", "vera", "loha", "moe_lora"] = "lora"
    """How the adapter is trained."""


class QloraTrain(CommonTrain):
    """A low-rank adapter on a quantized base (Dettmers et al. 2023, arXiv:2305.14314)."""

    method: Literal["qlora"]
    """How the adapter is trained."""
    quantization_type: Literal["nf4", "fp4", "int8"] = "nf4"
    """Format of the frozen base: 4-bit NormalFloat, 4-bit float, or LLM.int8()."""
    double_quantization: bool | None = None
    """Quantize the quantization constants too; unset: true for 4 bits. Not for int8."""

    @model_validator(mode="after")
    def _int8_has_no_constants(self) -> Self:
        if self.quantization_type == "int8" and self.double_quantization is not None:
            raise ValueError("double_quantization is set, and quantization_type int8 does not read it")
        return self


class LoftqTrain(CommonTrain):
    """A low-rank adapter that begins as the quantization error of its 4-bit base (Li et al. 2023, arXiv:2310.08659)."""

    method: Literal["loftq"]
    """How the adapter is trained."""
    quantization_type: Literal["nf4", "fp4"] = "nf4"
    """4-bit format of the frozen base."""
    double_quantization: bool | None = None
    """Quantize the quantization constants too; unset: true."""


class LoraPlusTrain(CommonTrain):
    """LoRA with a higher learning rate for B (Hayou et al. 2024, arXiv:2402.12354)."""

    method: Literal["lora_plus"]
    """How the adapter is trained."""
    b_rate_ratio: float = Field(default=16.0, ge=1)
    """Learning rate of B as a multiple of that of A."""


class PissaTrain(CommonTrain):
    """LoRA that begins at the principal singular directions (Meng et al. 2024, arXiv:2404.02948)."""

    method: Literal["pissa"]
    """How the adapter is trained."""
    svd_iterations: int | None = Field(default=16, ge=1)
    """Subspace iterations of the randomised decomposition; null decomposes exactly, minutes for a large base."""


class EvaTrain(CommonTrain):
    """LoRA that begins along the directions of the data's activations (Paischer et al. 2024, arXiv:2410.07170)."""

    method: Literal["eva"]
    """How the adapter is trained."""
    rank_spread: float = Field(default=2.0, ge=1)
    """Largest rank of a module as a multiple of `lora.r`; ranks move to modules whose activations need them, their sum stays. 1 keeps all alike."""
    activation_batches: int = Field(default=8, ge=1)
    """Batches of training records whose activations are decomposed."""


class AdaloraTrain(CommonTrain):
    """LoRA whose ranks move to where they matter; `lora.r` is the mean at the end (Zhang et al. 2023, arXiv:2303.10512)."""

    method: Literal["adalora"]
    """How the adapter is trained."""
    initial_rank_ratio: float = Field(default=1.5, ge=1)
    """Rank of every module at the beginning, as a multiple of `lora.r`."""
    settle_ratio: float = Field(default=0.2, ge=0, lt=0.5)
    """Share of the steps before ranks begin to move, and again after they are final."""
    move_every_steps: int = Field(default=10, ge=1)
    """Optimiser steps between two moves of ranks."""
    orthogonality: float = Field(default=0.5, ge=0)
    """Weight of the penalty on singular vectors that are not orthogonal."""


class LokrTrain(CommonTrain):
    """Updates that are Kronecker products (Yeh et al. 2023, arXiv:2309.14859)."""

    method: Literal["lokr"]
    """How the adapter is trained."""
    factor: int | None = Field(default=None, ge=2)
    """Size of the smaller factor; unset: as near to the square root of each dimension as divides it."""


class LongloraTrain(CommonTrain):
    """LoRA with shifted sparse attention while training, for long records (Chen et al. 2023, arXiv:2309.12307)."""

    method: Literal["longlora"]
    """How the adapter is trained."""
    group_tokens: int = Field(default=256, ge=2, multiple_of=2)
    """Tokens that attend to each other; half the heads have their groups shifted by half of it. The paper takes a quarter of the context."""


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


class _PrefixCache(CommonTrain):
    """What methods share that put keys and values before the prompt."""

    @model_validator(mode="after")
    def _keeps_activations(self) -> Self:
        if self.gradient_checkpointing and getattr(self, "method", None) in ("prefix_tuning", "p_tuning_v2"):
            raise ValueError("gradient_checkpointing does not work with keys and values before the prompt; set it to false")
        return self


class PrefixTrain(_PrefixCache):
    """Virtual tokens whose keys or embeddings an encoder gives while training (prefix tuning; P-tuning)."""

    method: Literal["prefix_tuning", "p_tuning"]
    """How the adapter is trained."""
    virtual_tokens: int = Field(default=20, ge=1)
    """Virtual tokens before the prompt."""
    encoder_size: int = Field(default=128, ge=1)
    """Hidden units of the encoder, which is not kept after training."""


class DeepPromptTrain(_PrefixCache):
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
