"""Exports an adapter: merged, quantized or as ONNX, compared with the adapter before it is kept.

Enters: a finished adapter, the dataset whose test split gives the golden prompts, the prepared base. Leaves: the model's own files,
parity.json (how close it is to the adapter) and export.json (its form and size); or nothing, when it is not close enough.
One model is in memory at a time: the adapter's figures wait on the disk while the export is made and loaded as its users will load it.
"""

from __future__ import annotations

import gc
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.load import LoadedAdapter, load_adapter
from adapt.artifact.progress import Progress
from adapt.artifact.staging import staged
from adapt.base.load import load_model, resolve_device
from adapt.errors import InputError
from adapt.export.golden import TOKENS, Golden, choose_goldens
from adapt.export.logprobs import read_reference, torch_scorer, write_reference
from adapt.export.merge import merge, save_merged
from adapt.export.onnx import build_onnx, genai_scorer, warn_of_other_ids
from adapt.export.parity import Comparison, Figures, judge, write_parity
from adapt.export.quantize import DTYPE, load_quantized, quantize, quiet_int8
from adapt.spec.export import ExportSpec, MergedExport, OnnxExport
from adapt.spec.resolved.export import ExportSection

if TYPE_CHECKING:
    from adapt.export.logprobs import Scorer

EXPORT, TEST = "export.json", "test.jsonl"
_WORK = ".work"
"""Folder for what is needed on the way, inside the staging folder, so that a killed export leaves nothing elsewhere."""
_ONE_SHARD = "1000GB"


@dataclass(frozen=True)
class ExportInputs:
    """Folders that the stage reads."""

    adapter: Path
    dataset: Path
    base: Path
    """The prepared base model. The manifest's inputs leave it out, since the section holds its digest."""


@dataclass(frozen=True)
class ExportReport:
    """What was exported and how close it is. The timings are of this run and machine, and stand in no file."""

    format: str
    bytes: int
    """Size of the export's files, parity.json, export.json and the manifest left out."""
    parameters: int
    """Weights of the merged model; tied ones count once."""
    parity: Figures
    load_seconds: float
    """Seconds to load the export."""
    tokens_per_second: float
    """Tokens of golden prompts that the export read in a second, without generating."""


def export(section: ExportSection, *, inputs: ExportInputs, out: Path, progress: Progress) -> ExportReport:
    """Write the adapter in the form that `section.export` asks for into `out`.

    Raises InputError when adapter, base or test split cannot be used, GateError when the export differs too much from the adapter.
    """
    spec = section.export
    with staged(out, section=section, inputs={"adapter": inputs.adapter, "dataset": inputs.dataset}) as folder:
        work = folder / _WORK
        work.mkdir()
        merged = folder if isinstance(spec, MergedExport) else work / "merged"
        goldens, parameters = _merge(inputs, spec, merged, work / "reference", progress)
        _free()
        _convert(spec, merged, folder, work, progress)
        run = _compare(spec, folder, goldens, work / "reference", progress)
        judge(run.figures, spec.gates)
        shutil.rmtree(work)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        write_parity(folder, run.figures, spec.gates)
        _describe(folder, spec, size=size, parameters=parameters)
    return ExportReport(
        format=spec.format,
        bytes=size,
        parameters=parameters,
        parity=run.figures,
        load_seconds=run.load_seconds,
        tokens_per_second=run.tokens_per_second,
    )


def _merge(inputs: ExportInputs, spec: ExportSpec, merged: Path, reference: Path, progress: Progress) -> tuple[list[Golden], int]:
    """Write the adapter's log-probabilities and the merged model; gives the golden prompts and the number of weights."""
    import torch

    if not inputs.base.is_dir():
        raise InputError(f"base: {inputs.base} is not a folder", hint="`adapt build` prepares the base model first")
    with torch.random.fork_rng():  # peft draws weights before it reads them
        loaded = load_adapter(inputs.adapter, inputs.base, dtype="float32")
    goldens = choose_goldens(inputs.dataset / TEST, loaded.prompt, count=spec.parity.prompts, context=_context(loaded))
    write_reference(loaded, goldens, reference, progress)
    with progress.task("merging"):
        model = merge(loaded)
        save_merged(
            model, loaded, merged, dtype=_merged_dtype(spec), max_shard_size=spec.max_shard_size if isinstance(spec, MergedExport) else _ONE_SHARD
        )
    return goldens, sum(parameter.numel() for parameter in model.parameters())


def _context(loaded: LoadedAdapter) -> int:
    """Longest text of the model in tokens. Raises InputError when the tokenizer has ids that the model has no embedding for."""
    embeddings: Any = loaded.model.get_input_embeddings()
    rows = embeddings.weight.shape[0]
    top = max(loaded.tokenizer.get_vocab().values())
    if top >= rows:
        raise InputError(
            f"the base model has {rows} embeddings, and its tokenizer gives ids up to {top}",
            hint="resize the base's embeddings to its tokenizer and save it again; more embeddings than tokens are fine",
        )
    return int(getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None) or TOKENS)


def _merged_dtype(spec: ExportSpec) -> str:
    if isinstance(spec, MergedExport):
        return spec.dtype
    return "float32" if isinstance(spec, OnnxExport) else DTYPE


def _convert(spec: ExportSpec, merged: Path, folder: Path, work: Path, progress: Progress) -> None:
    if isinstance(spec, OnnxExport):
        build_onnx(merged, folder, precision=spec.precision, cache=work / "builder", progress=progress)
    elif not isinstance(spec, MergedExport):
        with progress.task("quantizing"):
            quantize(merged, folder, scheme=spec.scheme)
        _free()


@dataclass(frozen=True)
class _Run:
    figures: Figures
    load_seconds: float
    tokens_per_second: float


def _compare(spec: ExportSpec, folder: Path, goldens: Sequence[Golden], reference: Path, progress: Progress) -> _Run:
    """Load the export and compare it with the reference, a prompt at a time."""
    started = time.perf_counter()
    score = _load(spec, folder)
    load_seconds = time.perf_counter() - started
    comparison, seconds = Comparison(), 0.0
    with quiet_int8(), progress.task("comparing", len(goldens)) as task:
        for index, golden in enumerate(goldens):
            adapter, base = read_reference(reference, index)
            started = time.perf_counter()
            rows = score(golden)
            seconds += time.perf_counter() - started
            comparison.add(golden.record, adapter=adapter, base=base, export=rows)
            task.advance()
    if isinstance(spec, OnnxExport):
        warn_of_other_ids(folder, goldens)
    return _Run(comparison.figures(), load_seconds, sum(len(golden.ids) for golden in goldens) / seconds)


def _load(spec: ExportSpec, folder: Path) -> Scorer:
    if isinstance(spec, OnnxExport):
        return genai_scorer(folder)
    if isinstance(spec, MergedExport):
        return torch_scorer(load_model(folder, dtype=spec.dtype, device=resolve_device("auto")))
    return torch_scorer(load_quantized(folder))


def _describe(folder: Path, spec: ExportSpec, *, size: int, parameters: int) -> None:
    contents = {**spec.model_dump(exclude={"parity", "max_shard_size"}), "bytes": size, "parameters": parameters}
    (folder / EXPORT).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")


def _free() -> None:
    """Give back the memory of models that nothing refers to any more: they hold cycles."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
