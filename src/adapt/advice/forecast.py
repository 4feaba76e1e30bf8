"""What the stages to come will take: peak memory and time, and whether a training fits the machine.

Enters: a workspace with its resolved sections. Leaves: a forecast per stage, each with what it rests on. Nothing is run, and no model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from adapt.advice.history import Correction, correction_for, folder_bytes, past_stage
from adapt.advice.inference import evaluation_seconds, export_seconds
from adapt.advice.machine import Device, Kind, device_for
from adapt.advice.memory import Memory, forecast_memory
from adapt.advice.shape import ModelShape, shape_of
from adapt.advice.work import forecast_work, training_rate
from adapt.advice.workload import USUAL_RECORD, Workload, assumed, measured
from adapt.base.numerics import NumericClass
from adapt.base.prepare import base_folder
from adapt.errors import InputError
from adapt.plan.stages import SERVING, TRAINING, Stage, stages_of
from adapt.plan.status import StageStatus, State, section_of
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from adapt.spec.resolved.adapter import ResolvedAdapter
from adapt.spec.resolved.train import TrainSection

_RAW_BYTES_PER_TOKEN = 6.0
"""Of a raw corpus, for each token of its training records; measured on the finance corpus, which is HTML,
Markdown and tables."""
_LOADING_SECONDS = 20.0
"""Loading libraries and model, tokenising and writing, where no past training tells."""


@dataclass(frozen=True)
class StageForecast:
    """One stage that would run."""

    stage: str
    state: State
    reasons: tuple[str, ...]
    peak_mib: int | None
    """Peak memory: of the process on a CPU, of the device for a training on a GPU. None where nothing tells."""
    seconds: float | None
    basis: str
    """What the figures rest on."""
    fits: bool | None = None
    """Whether a training fits the memory that is there now."""
    slow: str | None = None
    """Why a training takes longer than it need."""


@dataclass(frozen=True)
class Training:
    """A training to come, with what its forecast is made of."""

    section: TrainSection
    shape: ModelShape
    workload: Workload
    device: Device
    correction: Correction

    @property
    def memory(self) -> Memory:
        """By the formula, without the correction."""
        return forecast_memory(self.shape, self.section.train, self.section.lora, self.workload, device=self.device.kind)

    @property
    def peak(self) -> float:
        """Bytes, corrected."""
        return self.memory.peak * self.correction.memory

    @property
    def fits(self) -> bool:
        return self.peak <= self.device.usable

    def seconds(self) -> float | None:
        """Wall-clock time if it is not stopped early; None where it cannot be known."""
        work = forecast_work(self.shape, self.section.train, self.section.lora, self.workload)
        if work is None or not self.workload.records:
            return None
        rate, apart = self.correction.rate, self.correction.apart_seconds
        if rate is None:
            if self.device.calibration is None:
                return None
            rate, apart = training_rate(self.device.calibration, self.section.train.dtype), _LOADING_SECONDS
        return (work.training + work.validation) / rate + apart

    @property
    def slow(self) -> str | None:
        """What is said of a number format that the device has no products in."""
        known = self.device.calibration
        if known is None or known.native == self.section.train.dtype or self.section.train.dtype != "bfloat16":
            return None
        return f"train.dtype is bfloat16, whose products take {known.slowdown:.1f} times as long here as those of float32; auto takes float32"

    @property
    def basis(self) -> str:
        records = f"{self.workload.records} records"
        if self.workload.assumed:
            records = f"records are not made yet: some {records} of usual length, by the size of the raw files"
        past = f", corrected by {', '.join(self.correction.runs)}" if self.correction.runs else ", no past training of this class"
        numerics = self.device.numerics(self.section.train.dtype)
        return f"formula, {records}{past}" + (f", {numerics}" if numerics else "")


def forecasts(
    workspace: Workspace, specs: Mapping[str, AdapterSpec], resolved: Mapping[str, ResolvedAdapter], found: Sequence[StageStatus]
) -> Iterator[StageForecast]:
    """A forecast for every stage of `found` that is not up to date, in their order."""
    raw = {name: folder_bytes(workspace.raw(name, spec.corpus.path)) for name, spec in specs.items()}
    stages = {SERVING.name: SERVING} | {stage.name: stage for name, spec in specs.items() for stage in stages_of(name, spec)}
    for one in found:
        if one.state == "up to date":
            continue
        stage = stages[one.stage]
        section = section_of(resolved[stage.adapter], stage) if stage.kind in TRAINING else None
        if isinstance(section, TrainSection):
            yield _train_forecast(one, workspace, stage.adapter, section, list(specs), raw[stage.adapter])
            continue
        own = _after_training(stage, workspace, resolved, list(specs), raw) if stage.kind in ("evaluate", "export") else None
        past = past_stage(stage, workspace, list(specs), raw=raw, numerics=own and own.numerics)
        if past is not None:
            yield StageForecast(one.stage, one.state, one.reasons, past.peak_mib, past.seconds, f"run of {past.stage}")
        elif own is not None:
            yield StageForecast(one.stage, one.state, one.reasons, None, own.seconds, f"calibration of this machine, {own.numerics}")
        else:
            yield StageForecast(one.stage, one.state, one.reasons, None, None, "no past run")


class _AfterTraining(NamedTuple):
    """A stage that runs the adapter."""

    seconds: float | None
    """By formula."""
    numerics: NumericClass


def _after_training(
    stage: Stage, workspace: Workspace, resolved: Mapping[str, ResolvedAdapter], names: Sequence[str], raw: Mapping[str, int]
) -> _AfterTraining | None:
    """What evaluation or export of an adapter would take on this machine; None where its base or device is
    not known."""
    sections = resolved[stage.adapter]
    try:
        found = training(workspace, stage.adapter, sections.train, names, raw=raw[stage.adapter])
    except InputError:
        return None
    calibration, workload = found.device.calibration, found.workload
    dtype = "float32" if stage.kind == "export" else found.section.train.dtype
    if calibration is None or (numerics := found.device.numerics(dtype)) is None:
        return None
    if stage.kind == "export":
        seconds = export_seconds(found.shape, sections.export[stage.export].export, workload, calibration)
    else:
        computed = calibration.native if dtype == "bfloat16" else dtype  # as `forward_dtype` has it
        numerics = replace(numerics, dtype=computed)
        seconds = evaluation_seconds(found.shape, sections.evaluate.evaluate, workload, calibration, computed)
    return _AfterTraining(seconds if workload.test_records else None, numerics)


def training(workspace: Workspace, name: str, section: TrainSection, names: Sequence[str], *, raw: int = 0) -> Training:
    """The training of adapter `name` to come, whose raw corpus has `raw` bytes.

    Raises InputError when the size of its base is not known, its device is not there, or it runs in several processes, whose
    memory the formula does not know.
    """
    if section.train.distributed is not None:
        raise InputError(f"no forecast for {section.train.distributed.processes} processes")
    device = device_for(section.train.device, calibrations=workspace.calibration)
    section = section.model_copy(update={"train": device.computed(section.train)})
    shape = shape_of(section.base, workspace)
    correction = correction_for(section, workspace, names, device=device)
    return Training(section, shape, _workload(workspace, name, section, device.kind, raw), device, correction)


def _workload(workspace: Workspace, name: str, section: TrainSection, device: Kind, raw: int) -> Workload:
    dataset, base = workspace.dataset(name), base_folder(section.base, root=workspace.root, cache=workspace.cache)
    if (dataset / "train.jsonl").is_file() and (dataset / "validation.jsonl").is_file() and (base / "tokenizer.json").is_file():
        return measured(section, dataset=dataset, base=base, device=device)
    tokens = raw / _RAW_BYTES_PER_TOKEN
    known = assumed(section.train, device=device, records=round(tokens / (USUAL_RECORD // 2)))
    return known if raw else replace(known, records=0)


def _train_forecast(one: StageStatus, workspace: Workspace, name: str, section: TrainSection, names: Sequence[str], raw: int) -> StageForecast:
    try:
        known = training(workspace, name, section, names, raw=raw)
    except InputError as error:
        return StageForecast(one.stage, one.state, one.reasons, None, None, error.message)
    return StageForecast(one.stage, one.state, one.reasons, round(known.peak / (1 << 20)), known.seconds(), known.basis, known.fits, known.slow)
