"""The forms of an export: how each is made from the adapter, and how it is run again as its users will run it.

A form either starts from the adapter merged into its base, or from the adapter alone as plain LoRA.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from adapt.adapter.prompt import Prompt
from adapt.artifact.progress import Progress
from adapt.base.load import load_model, resolve_device
from adapt.base.numerics import forward_dtype, multiplies_bfloat16
from adapt.export.canonical import canonicalise
from adapt.export.compressed import CompressedRunner, calibration, check_compressor, compress
from adapt.export.gguf_file import write_gguf, write_gguf_adapter
from adapt.export.gguf_runner import open_gguf, open_gguf_adapter, run_gguf, run_gguf_adapter
from adapt.export.golden import Golden
from adapt.export.llama_cpp import load_binding
from adapt.export.onnx import GenaiRunner, build_onnx
from adapt.export.onnx_adapters import open_onnx_adapters, write_onnx_adapters
from adapt.export.quantize import DTYPE, load_quantized, quantize
from adapt.export.runner import Runner, TorchRunner
from adapt.spec.export import AdapterExport, ExportSpec, GgufAdapterExport, GgufExport, MergedExport, OnnxAdaptersExport, OnnxExport, QuantizedExport
from adapt.spec.resolved.export import QuantizedBase

ONE_SHARD = "1000GB"


@dataclass(frozen=True)
class ExportInputs:
    """Folders that the stage reads."""

    adapter: Path
    dataset: Path
    base: Path
    """The prepared base model. The manifest's inputs leave it out, since the section holds its digest."""
    quantize_python: Path | None = None
    """Interpreter of the environment with llm-compressor, for the schemes that need it."""


@dataclass(frozen=True)
class Source:
    """What every form is made from and compared on."""

    inputs: ExportInputs
    base_digest: str
    prompt: Prompt
    goldens: Sequence[Golden]
    merged: Path
    """Folder of the merged model, for a form that starts from one."""
    parameters: int | None
    """Weights of the merged model; tied ones count once."""
    trained_on: QuantizedBase | None
    """How the base was quantized and widened again before the merge; None for the plain base."""
    work: Path
    """Folder for what is needed on the way."""
    progress: Progress


def merged_dtype(spec: ExportSpec) -> str | None:
    """Number format of the merged model that a form starts from; None for a form of the adapter alone."""
    if isinstance(spec, MergedExport):
        return spec.dtype
    if isinstance(spec, QuantizedExport):
        return DTYPE
    return "float32" if isinstance(spec, OnnxExport | GgufExport) else None


def check_tools(spec: ExportSpec, inputs: ExportInputs) -> None:
    """Raise InputError when an optional library that makes or runs the form is not installed: before minutes of work, not after."""
    if isinstance(spec, QuantizedExport) and spec.compressed:
        check_compressor(inputs.quantize_python)
    if isinstance(spec, GgufExport | GgufAdapterExport) and spec.checked_by == "llama.cpp":
        load_binding()


def write_form(spec: ExportSpec, source: Source, folder: Path) -> Mapping[str, Any]:
    """Write the form's files into `folder`, where a merged export lies already; gives what export.json tells of it beside its settings."""
    inputs, progress = source.inputs, source.progress
    if isinstance(spec, AdapterExport):
        with progress.task("writing plain LoRA"):
            made = canonicalise(inputs.adapter, inputs.base, folder)
        return {"rank": made.rank, "modules": len(made.modules)}
    if isinstance(spec, QuantizedExport) and spec.compressed:
        samples = calibration(spec, inputs.dataset, source.prompt)
        if not multiplies_bfloat16(resolve_device("auto")):
            progress.say("llm-compressor computes in bfloat16, the number format of this form, for which this CPU has no instructions: it takes long")
        made_there = compress(
            source.merged, folder, scheme=spec.scheme, samples=samples, python=inputs.quantize_python, work=source.work, progress=progress
        )
        return {**made_there, "calibration_records": len(samples), "parameters": source.parameters}
    if isinstance(spec, QuantizedExport):
        with progress.task("quantizing"):
            quantize(source.merged, folder, scheme="int8" if spec.scheme == "int8" else "nf4")
    elif isinstance(spec, OnnxExport):
        build_onnx(source.merged, folder, precision=spec.precision, cache=source.work / "builder", progress=progress)
    elif isinstance(spec, OnnxAdaptersExport):
        return write_onnx_adapters(inputs.adapter, inputs.base, folder, precision=spec.precision, base_digest=source.base_digest,
                                   prompt=source.prompt, work=source.work, progress=progress)  # fmt: skip
    elif isinstance(spec, GgufExport):
        with progress.task("writing GGUF"):
            return write_gguf(source.merged, folder, number_type=spec.type, prompt=source.prompt)
    elif isinstance(spec, GgufAdapterExport):
        with progress.task("writing GGUF"):
            return write_gguf_adapter(inputs.adapter, inputs.base, folder, number_type=spec.type, prompt=source.prompt)
    return {"parameters": source.parameters}


def open_form(spec: ExportSpec, source: Source, folder: Path) -> Runner:
    """The finished form in `folder`, loaded as its users will load it; but in float32 where its own number format is not native to this device,
    which rounds nothing and takes a fraction of the time."""
    inputs = source.inputs
    device = resolve_device("auto")
    if isinstance(spec, AdapterExport):
        return TorchRunner.open(partial(_with_adapter, folder, inputs.base, device))
    if isinstance(spec, QuantizedExport):
        if spec.compressed:
            return CompressedRunner(folder, source.goldens, python=inputs.quantize_python, work=source.work)
        return TorchRunner.open(partial(load_quantized, folder))
    if isinstance(spec, OnnxExport):
        return GenaiRunner(folder)
    if isinstance(spec, OnnxAdaptersExport):
        return open_onnx_adapters(folder)
    if isinstance(spec, GgufExport):
        return run_gguf(folder) if spec.checked_by == "llama.cpp" else open_gguf(folder)
    if isinstance(spec, GgufAdapterExport):
        if spec.checked_by == "llama.cpp":
            return run_gguf_adapter(folder, inputs.base, prompt=source.prompt, work=source.work)
        return open_gguf_adapter(folder, inputs.base, device=device)
    return TorchRunner.open(partial(load_model, folder, dtype=forward_dtype(spec.dtype, device), device=device))


def computed_dtype(spec: ExportSpec) -> str | None:
    """The number format in which torch runs a form that a sixteen-bit one was chosen for; None for others."""
    stored = spec.dtype if isinstance(spec, MergedExport) else DTYPE if isinstance(spec, QuantizedExport) and not spec.compressed else None
    return None if stored is None else forward_dtype(stored, resolve_device("auto"))


def _with_adapter(folder: Path, base: Path, device: str) -> Any:
    """The plain adapter in `folder` on its base in float32, by peft, which knows nothing of how it was made."""
    from peft import PeftModel

    from adapt.adapter.quiet import quiet_peft

    with quiet_peft():
        return PeftModel.from_pretrained(load_model(base, dtype="float32", device=device), str(folder)).eval()
