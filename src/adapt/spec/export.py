"""Section `export`: the forms in which an adapter leaves, and how close each must stay to the adapter."""

from typing import Annotated, Literal

from pydantic import Field

from adapt.spec.section import Section


class Parity(Section):
    """How an export is compared with the adapter: next-token distributions over the same positions of golden prompts."""

    prompts: int = Field(default=8, ge=1)
    """Golden prompts, taken from the test split by id."""
    min_top1_agreement: float = Field(ge=0, le=1)
    """Share of positions at which both rank the same token first, at least."""
    max_mean_kl: float = Field(ge=0)
    """Mean Kullback-Leibler divergence of export from adapter in nats, at most."""
    max_effect_error: float = Field(default=0.25, ge=0)
    """How far the share of the adapter's effect that the export carries may be from 1, either way; an export without the adapter has share 0."""


class MergedExport(Section):
    """The adapter folded into the base: an ordinary model folder."""

    format: Literal["merged"]
    """Form of the export."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Number format of the weights."""
    max_shard_size: str = Field(default="5GB", pattern=r"^[0-9]+(MB|GB)$")
    """Largest weights file."""
    parity: Parity = Parity(min_top1_agreement=0.93, max_mean_kl=0.01)
    """What the comparison with the adapter must reach."""


class QuantizedExport(Section):
    """The merged model quantized by bitsandbytes and saved so."""

    format: Literal["quantized"]
    """Form of the export."""
    scheme: Literal["nf4", "int8"] = "nf4"
    """4-bit NormalFloat, or LLM.int8()."""
    parity: Parity = Parity(min_top1_agreement=0.6, max_mean_kl=0.5)
    """What the comparison with the adapter must reach."""


class OnnxExport(Section):
    """The merged model as an onnxruntime-genai folder."""

    format: Literal["onnx"]
    """Form of the export."""
    precision: Literal["fp32", "int4"] = "int4"
    """Number format of the weights."""
    parity: Parity = Parity(min_top1_agreement=0.65, max_mean_kl=0.4)
    """What the comparison with the adapter must reach."""


ExportSpec = Annotated[MergedExport | QuantizedExport | OnnxExport, Field(discriminator="format")]
