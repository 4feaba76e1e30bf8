"""Exports an adapter in one form, and compares it with the adapter before it is kept.

Enters: a finished adapter, the dataset whose test split gives the golden prompts, the prepared base. Leaves: the form's own files,
parity.json (how close it is to the adapter) and export.json (what it is, and its size); or nothing, when it is not close enough.
One model is in memory at a time: the adapter's figures wait on the disk while the export is made and loaded as its users will load it.
"""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.adapter.load import LoadedAdapter, load_adapter
from adapt.adapter.prompt import Prompt
from adapt.artifact.progress import Progress
from adapt.artifact.staging import staged
from adapt.base.numerics import AUTO
from adapt.errors import InputError
from adapt.export.dequantized import dequantize_base
from adapt.export.forms import ONE_SHARD, ExportInputs, Source, check_tools, computed_dtype, merged_dtype, open_form, write_form
from adapt.export.golden import TOKENS, Golden, choose_goldens
from adapt.export.logprobs import read_reference, write_reference
from adapt.export.merge import merge, save_merged
from adapt.export.onnx import warn_of_other_ids
from adapt.export.parity import Comparison, Figures, judge, write_parity
from adapt.export.quantize import quiet_int8
from adapt.spec.export import MergedExport, OnnxExport, gates_of
from adapt.spec.resolved.export import ExportSection, QuantizedBase

EXPORT, TEST = "export.json", "test.jsonl"
_WORK = ".work"
"""Folder for what is needed on the way, inside the staging folder, so that a killed export leaves nothing elsewhere."""


@dataclass(frozen=True)
class ExportReport:
    """What was exported and how close it is. The timings are of this run and machine, and stand in no file."""

    format: str
    bytes: int
    """Size of the export's files, parity.json, export.json and the manifest left out."""
    parity: Figures
    load_seconds: float
    """Seconds to load the export."""
    tokens_per_second: float
    """Tokens of a greedy answer to a golden prompt that the export gave in a second, one request at a time."""


def export(section: ExportSection, *, inputs: ExportInputs, out: Path, progress: Progress) -> ExportReport:
    """Write the adapter in the form that `section.export` asks for into `out`.

    Raises InputError when adapter, base, a split or an optional library cannot be used, or the method cannot take this form; GateError when the
    export differs too much from the adapter.
    """
    spec = section.export
    check_tools(spec, inputs)
    with staged(out, section=section, inputs={"adapter": inputs.adapter, "dataset": inputs.dataset}) as folder:
        work = folder / _WORK
        work.mkdir()
        source = _prepare(section, inputs, folder, work, progress)
        _free()
        told = write_form(spec, source, folder)
        _free()
        run = _compare(section, source, folder)
        judge(run.figures, gates_of(spec))
        shutil.rmtree(work)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        write_parity(folder, run.figures, gates_of(spec), computed=computed_dtype(spec))
        _describe(folder, section, source.trained_on, told, size=size)
    return ExportReport(
        format=spec.format, bytes=size, parity=run.figures, load_seconds=round(run.load_seconds, 3), tokens_per_second=round(run.tokens_per_second, 1)
    )


def _prepare(section: ExportSection, inputs: ExportInputs, folder: Path, work: Path, progress: Progress) -> Source:
    """Choose golden prompts, write the adapter's log-probabilities, and the merged model where the form starts from one."""
    import torch

    if not inputs.base.is_dir():
        raise InputError(f"base: {inputs.base} is not a folder", hint="`adapt build` prepares the base model first")
    spec = section.export
    with torch.random.fork_rng():  # peft draws weights before it reads them
        loaded = load_adapter(inputs.adapter, inputs.base, dtype="float32")
    goldens = choose_goldens(inputs.dataset / TEST, loaded.prompt, count=spec.parity.prompts, context=_context(loaded))
    write_reference(loaded, goldens, work / "reference", progress)
    merged = folder if isinstance(spec, MergedExport) else work / "merged"
    parameters, trained_on = None, None
    if dtype := merged_dtype(spec):
        with progress.task("merging"):
            if section.trained_on is not None:
                trained_on = _as_trained(section.trained_on, loaded)
                dequantize_base(loaded, trained_on)
            size = spec.max_shard_size if isinstance(spec, MergedExport) else ONE_SHARD
            model = merge(loaded)
            parameters = sum(parameter.numel() for parameter in model.parameters())
            save_merged(model, loaded, merged, dtype=dtype, max_shard_size=size)
    prompt = Prompt(loaded.prompt.template, loaded.tokenizer)
    return Source(
        inputs=inputs,
        base_digest=section.base.digest,
        prompt=prompt,
        goldens=goldens,
        merged=merged,
        parameters=parameters,
        trained_on=trained_on,
        work=work,
        progress=progress,
    )


def _as_trained(quantized: QuantizedBase, loaded: LoadedAdapter) -> QuantizedBase:
    """With the number format that training took where the spec left it to the device."""
    return quantized.model_copy(update={"dtype": loaded.trained_dtype}) if quantized.dtype == AUTO else quantized


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


@dataclass(frozen=True)
class _Run:
    figures: Figures
    load_seconds: float
    tokens_per_second: float


def _compare(section: ExportSection, source: Source, folder: Path) -> _Run:
    """Load the export and compare it with the reference, a prompt at a time."""
    goldens: Sequence[Golden] = source.goldens
    comparison = Comparison()
    with quiet_int8(), source.progress.task("comparing", len(goldens)) as task:
        runner = open_form(section.export, source, folder)
        for index, golden in enumerate(goldens):
            adapter, base = read_reference(source.work / "reference", index)
            comparison.add(golden, adapter=adapter, base=base, export=runner.score(index, golden))
            task.advance()
        speed = runner.tokens_per_second(goldens[0])
    if isinstance(section.export, OnnxExport):
        warn_of_other_ids(folder, goldens)
    return _Run(comparison.figures(), runner.load_seconds, speed)


def _describe(folder: Path, section: ExportSection, quantized: QuantizedBase | None, told: Mapping[str, Any], *, size: int) -> None:
    """Write export.json: the form's settings, the base that it was merged into if not the plain one, what its making told, and its base."""
    trained_on = {} if quantized is None else {"trained_on": quantized.model_dump()}
    settings = section.export.model_dump(exclude={"parity", "max_shard_size"}, exclude_none=True)
    contents = {**settings, **trained_on, **told, "base_digest": section.base.digest, "bytes": size}
    (folder / EXPORT).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")


def _free() -> None:
    """Give back the memory of models that nothing refers to any more: they hold cycles."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
