"""Section `train` of the methods that add updates of low rank to linear layers; section `lora` gives their shape."""

from typing import Literal, Self

from pydantic import Field, model_validator

from adapt.spec.common_train import CommonTrain


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
