"""What the stages to come will take: peak memory and time, and whether a training fits the machine.

Enters: a workspace with its resolved sections. Leaves: a forecast per stage, each with what it rests on. Nothing is run, and no model is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapt.advice.history import Correction, correction_for, folder_bytes, past_stage
from adapt.advice.machine import Device, Kind, device_for
from adapt.advice.memory import Memory, forecast_memory
from adapt.advice.shape import ModelShape, shape_of
from adapt.advice.work import forecast_work, training_rate
from adapt.advice.workload import Workload, assumed, measured
from adapt.base.prepare import base_folder
from adapt.errors import InputError
from adapt.plan.stages import SERVING, TRAINING, stages_of
from adapt.plan.status import StageStatus, State, section_of
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from adapt.spec.resolved.adapter import ResolvedAdapter
from adapt.spec.resolved.train import TrainSection

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
        if work is None or self.workload.assumed:
            return None
        rate, apart = self.correction.rate, self.correction.apart_seconds
        if rate is None:
            if self.device.calibration is None:
                return None
            rate, apart = training_rate(self.device.calibration, self.section.train.dtype), _LOADING_SECONDS
        return (work.training + work.validation) / rate + apart

    @property
    def basis(self) -> str:
        records = "records are not made yet: those of usual length" if self.workload.assumed else f"{self.workload.records} records"
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
            yield _train_forecast(one, workspace, stage.adapter, section, list(specs))
            continue
        past = past_stage(stage, workspace, list(specs), raw=raw)
        if past is None:
            yield StageForecast(one.stage, one.state, one.reasons, None, None, "no past run")
        else:
            yield StageForecast(one.stage, one.state, one.reasons, past.peak_mib, past.seconds, f"run of {past.stage}")


def training(workspace: Workspace, name: str, section: TrainSection, names: Sequence[str]) -> Training:
    """The training of adapter `name` to come. Raises InputError when the size of its base is not known, its device is not there, or it runs in
    several processes, whose memory the formula does not know."""
    if section.train.distributed is not None:
        raise InputError(f"no forecast for {section.train.distributed.processes} processes")
    device = device_for(section.train.device, calibrations=workspace.calibration)
    section = section.model_copy(update={"train": device.computed(section.train)})
    shape = shape_of(section.base, workspace)
    correction = correction_for(section, workspace, names, device=device)
    return Training(section, shape, _workload(workspace, name, section, device.kind), device, correction)


def _workload(workspace: Workspace, name: str, section: TrainSection, device: Kind) -> Workload:
    dataset, base = workspace.dataset(name), base_folder(section.base, root=workspace.root, cache=workspace.cache)
    if (dataset / "train.jsonl").is_file() and (dataset / "validation.jsonl").is_file() and (base / "tokenizer.json").is_file():
        return measured(section, dataset=dataset, base=base, device=device)
    return assumed(section.train, device=device)


def _train_forecast(one: StageStatus, workspace: Workspace, name: str, section: TrainSection, names: Sequence[str]) -> StageForecast:
    try:
        known = training(workspace, name, section, names)
    except InputError as error:
        return StageForecast(one.stage, one.state, one.reasons, None, None, error.message)
    return StageForecast(one.stage, one.state, one.reasons, round(known.peak / (1 << 20)), known.seconds(), known.basis, known.fits)
