"""Section `export`: the forms in which an adapter leaves, and how close each must stay to the adapter."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from adapt.spec.patterns import SIZE
from adapt.spec.section import Section


class Gates(NamedTuple):
    """The bounds in force for one export."""

    min_top1_agreement: float
    max_mean_kl: float
    max_worst_kl: float
    max_effect_error: float
    max_perplexity_increase: float


_BITS_32, _BITS_8, _BITS_4 = (0.99, 0.0005, 0.05, 0.005), (0.8, 0.15, 4.0, 0.2), (0.6, 0.5, 10.0, 0.75)
_BOUNDS: dict[str, tuple[float, float, float, float]] = {
    **dict.fromkeys(("float32", "fp32", "f32"), _BITS_32),
    **dict.fromkeys(("float16", "fp16", "f16"), (0.97, 0.002, 0.2, 0.01)),
    **dict.fromkeys(("bfloat16", "bf16"), (0.93, 0.01, 0.5, 0.05)),
    **dict.fromkeys(("int8", "w8a8", "fp8", "q8_0"), _BITS_8),
    **dict.fromkeys(("int4", "gptq", "awq", "q4_0"), _BITS_4),
    "nf4": (0.55, 0.75, 15.0, 1.0),
}
"""Bounds by number format: top-1 agreement, mean KL, worst KL, increase of perplexity. What SmolLM2-135M gave, with a margin; larger models
lose less."""


class Parity(Section):
    """How an export is compared with the adapter: next-token distributions over the same positions of golden prompts.

    Bounds that are unset follow the number format; docs/how-to/export.md has the table.
    """

    prompts: int = Field(default=8, ge=1)
    """Golden prompts, taken from the test split by id."""
    min_top1_agreement: float | None = Field(default=None, ge=0, le=1)
    """Share of positions at which both rank the same token first, at least; unset: 0.99 for 32 bits, 0.97 for float16, 0.93 for bfloat16,
    0.8 for 8 bits, 0.6 for 4 bits, 0.55 for nf4."""
    max_mean_kl: float | None = Field(default=None, ge=0)
    """Mean Kullback-Leibler divergence of export from adapter in nats, at most; unset: 0.0005 for 32 bits, 0.002 for float16, 0.01 for bfloat16,
    0.15 for 8 bits, 0.5 for 4 bits, 0.75 for nf4."""
    max_worst_kl: float | None = Field(default=None, ge=0)
    """The largest divergence at one position in nats, at most; unset: 0.05 for 32 bits, 0.2 for float16, 0.5 for bfloat16, 4 for 8 bits,
    10 for 4 bits, 15 for nf4."""
    max_effect_error: float = Field(default=0.25, ge=0)
    """How far the share of the adapter's effect that the export carries may be from 1, either way; an export without the adapter has share 0."""
    max_perplexity_increase: float | None = Field(default=None, ge=0)
    """Perplexity of the golden answers under the export over that under the adapter, less 1, at most; unset: 0.005 for 32 bits, 0.01 for float16,
    0.05 for bfloat16, 0.2 for 8 bits, 0.75 for 4 bits, 1 for nf4."""

    def gates(self, number_format: str) -> Gates:
        """The bounds in force for weights of this format."""
        top1, mean, worst, perplexity = _BOUNDS[number_format]
        return Gates(
            min_top1_agreement=top1 if self.min_top1_agreement is None else self.min_top1_agreement,
            max_mean_kl=mean if self.max_mean_kl is None else self.max_mean_kl,
            max_worst_kl=worst if self.max_worst_kl is None else self.max_worst_kl,
            max_effect_error=self.max_effect_error,
            max_perplexity_increase=perplexity if self.max_perplexity_increase is None else self.max_perplexity_increase,
        )


class _Export(Section):
    """What every form has."""

    parity: Parity = Parity()
    """What the comparison with the adapter must reach."""


class AdapterExport(_Export):
    """The adapter alone, as plain LoRA: one rank, scaling folded in, so that every engine reads it alike."""

    format: Literal["adapter"]
    """Form of the export."""

    @property
    def number_format(self) -> str:
        """What the default bounds go by."""
        return "float32"


class MergedExport(_Export):
    """The adapter folded into the base: an ordinary model folder."""

    format: Literal["merged"]
    """Form of the export."""
    dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    """Number format of the weights."""
    onto: Literal["full", "dequantized"] = "full"
    """The base's own weights, on which adapters are evaluated and served; or those weights as a QLoRA adapter saw them in training,
    quantized and widened again."""
    max_shard_size: str = Field(default="5GB", pattern=SIZE)
    """Largest weights file."""

    @property
    def number_format(self) -> str:
        """What the default bounds go by: the base of a dequantized merge was in 4 bits, whatever its numbers are stored in now."""
        return self.dtype if self.onto == "full" else "nf4"


class QuantizedExport(_Export):
    """The merged model quantized: by bitsandbytes, or by llm-compressor in compressed-tensors form, which vLLM has fast kernels for."""

    format: Literal["quantized"]
    """Form of the export."""
    scheme: Literal["nf4", "int8", "gptq", "awq", "w8a8", "fp8"] = "nf4"
    """bitsandbytes' 4-bit NormalFloat or LLM.int8(); llm-compressor's GPTQ or AWQ (4-bit weights in groups), W8A8 (8-bit integers, weights and
    activations) or FP8 (8-bit floats, weights and activations), which need `make quantize-env`."""
    calibration_records: int | None = Field(default=None, ge=1)
    """Records of the adapter's train split that gptq, awq and w8a8 are calibrated on; unset: 128. The others need none."""

    @model_validator(mode="after")
    def _calibration_is_read(self) -> Self:
        if self.calibration_records is not None and not self.calibrated:
            raise ValueError(f"calibration_records is set, and scheme {self.scheme} needs no calibration; take the line out")
        return self

    @property
    def compressed(self) -> bool:
        """Whether llm-compressor makes it, in an environment of its own."""
        return self.scheme in ("gptq", "awq", "w8a8", "fp8")

    @property
    def calibrated(self) -> bool:
        """Whether it is fitted to records."""
        return self.scheme in ("gptq", "awq", "w8a8")

    @property
    def number_format(self) -> str:
        """What the default bounds go by."""
        return self.scheme


class OnnxExport(_Export):
    """The merged model as an onnxruntime-genai folder."""

    format: Literal["onnx"]
    """Form of the export."""
    precision: Literal["fp32", "fp16", "int8", "int4"] = "int4"
    """Number format of the weights."""

    @property
    def number_format(self) -> str:
        """What the default bounds go by."""
        return self.precision


class OnnxAdaptersExport(_Export):
    """The base as an onnxruntime-genai folder that adapters are put on at run time, and this adapter as one `.onnx_adapter` file.

    The folder is the same, byte for byte, for every adapter on the base; the file fits no other.
    """

    format: Literal["onnx_adapters"]
    """Form of the export."""
    precision: Literal["fp32", "int4"] = "int4"
    """Number format of the base; adapters stay in float32."""

    @property
    def number_format(self) -> str:
        """What the default bounds go by."""
        return self.precision


class GgufExport(_Export):
    """The merged model as one GGUF file for llama.cpp and Ollama, with a Modelfile. Llama, Qwen2 and Qwen3 families."""

    format: Literal["gguf"]
    """Form of the export."""
    type: Literal["f32", "f16", "bf16", "q8_0", "q4_0"] = "q8_0"
    """Number format of the matrices; norms and biases stay in float32."""
    checked_by: Literal["reader", "llama.cpp"] = "reader"
    """What runs the file for the comparison with the adapter: transformers, which reads the file's numbers, or llama.cpp itself, which
    needs the extra `gguf`."""

    @property
    def number_format(self) -> str:
        """What the default bounds go by."""
        return self.type


class GgufAdapterExport(_Export):
    """The adapter alone as a GGUF file, which llama.cpp and Ollama put on the base's own GGUF file."""

    format: Literal["gguf_adapter"]
    """Form of the export."""
    type: Literal["f32", "f16"] = "f32"
    """Number format of the adapter's matrices."""
    checked_by: Literal["reader", "llama.cpp"] = "reader"
    """What runs the file for the comparison with the adapter: the base with the file's numbers added to its weights, or llama.cpp itself,
    which needs the extra `gguf`."""

    @property
    def number_format(self) -> str:
        """What the default bounds go by."""
        return self.type


ExportSpec = Annotated[
    AdapterExport | MergedExport | QuantizedExport | OnnxExport | OnnxAdaptersExport | GgufExport | GgufAdapterExport, Field(discriminator="format")
]


ALONE = ("adapter", "onnx_adapters", "gguf_adapter")
"""Forms of the adapter without its base, which must be plain LoRA; the others are merged."""


def gates_of(spec: ExportSpec) -> Gates:
    """The bounds in force for an export."""
    return spec.parity.gates(spec.number_format)
