"""Section `export`: the forms in which an adapter leaves, and how close each must stay to the adapter."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from adapt.spec.section import Section


class Gates(NamedTuple):
    """The bounds in force for one export."""

    min_top1_agreement: float
    max_mean_kl: float
    max_effect_error: float


_TOP1_AND_KL = {
    "float32": (0.99, 0.0005),
    "fp32": (0.99, 0.0005),
    "float16": (0.97, 0.002),
    "bfloat16": (0.93, 0.01),
    "int8": (0.8, 0.15),
    "int4": (0.6, 0.5),
    "nf4": (0.55, 0.75),
}
"""Bounds by number format: top-1 agreement, mean KL. What SmolLM2-135M gave with two adapters, with a margin; larger models lose less."""


class Parity(Section):
    """How an export is compared with the adapter: next-token distributions over the same positions of golden prompts."""

    prompts: int = Field(default=8, ge=1)
    """Golden prompts, taken from the test split by id."""
    min_top1_agreement: float | None = Field(default=None, ge=0, le=1)
    """Share of positions at which both rank the same token first, at least; unset: 0.99 for 32 bits, 0.97 for float16, 0.93 for bfloat16,
    0.8 for int8, 0.6 for int4, 0.55 for nf4."""
    max_mean_kl: float | None = Field(default=None, ge=0)
    """Mean Kullback-Leibler divergence of export from adapter in nats, at most; unset: 0.0005 for 32 bits, 0.002 for float16, 0.01 for bfloat16,
    0.15 for int8, 0.5 for int4, 0.75 for nf4."""
    max_effect_error: float = Field(default=0.25, ge=0)
    """How far the share of the adapter's effect that the export carries may be from 1, either way; an export without the adapter has share 0."""

    def gates(self, number_format: str) -> Gates:
        """The bounds in force for weights of this format."""
        top1, kl = _TOP1_AND_KL[number_format]
        return Gates(
            min_top1_agreement=top1 if self.min_top1_agreement is None else self.min_top1_agreement,
            max_mean_kl=kl if self.max_mean_kl is None else self.max_mean_kl,
            max_effect_error=self.max_effect_error,
        )


class MergedExport(Section):
    """The adapter folded into the base: an ordinary model folder."""

    format: Literal["merged"]
    """Form of the export."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Number format of the weights."""
    max_shard_size: str = Field(default="5GB", pattern=r"^[0-9]+(MB|GB)$")
    """Largest weights file."""
    parity: Parity = Parity()
    """What the comparison with the adapter must reach."""

    @property
    def gates(self) -> Gates:
        """The bounds in force."""
        return self.parity.gates(self.dtype)


class QuantizedExport(Section):
    """The merged model quantized by bitsandbytes and saved so."""

    format: Literal["quantized"]
    """Form of the export."""
    scheme: Literal["nf4", "int8"] = "nf4"
    """4-bit NormalFloat, or LLM.int8()."""
    parity: Parity = Parity()
    """What the comparison with the adapter must reach."""

    @property
    def gates(self) -> Gates:
        """The bounds in force."""
        return self.parity.gates(self.scheme)


class OnnxExport(Section):
    """The merged model as an onnxruntime-genai folder."""

    format: Literal["onnx"]
    """Form of the export."""
    precision: Literal["fp32", "int4"] = "int4"
    """Number format of the weights."""
    parity: Parity = Parity()
    """What the comparison with the adapter must reach."""

    @property
    def gates(self) -> Gates:
        """The bounds in force."""
        return self.parity.gates(self.precision)


ExportSpec = Annotated[MergedExport | QuantizedExport | OnnxExport, Field(discriminator="format")]
