"""What past builds of this workspace recorded on this machine: corrections of the analytic forecast, and forecasts of stages that have none.

Enters: run records (seconds, peak memory), and dvc.lock, which holds the section that each run had. Leaves: factors and rates. A stage that only took
an adapter trained ahead tells nothing: its figures are of the training, its seconds and peak of copying a folder.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapt.advice.machine import Device, Kind
from adapt.advice.memory import MIB, forecast_memory
from adapt.advice.shape import shape_of
from adapt.advice.trained import method_of
from adapt.advice.work import forecast_work
from adapt.advice.workload import measured
from adapt.artifact.digest import digest_folder
from adapt.artifact.manifest import read_manifest
from adapt.base.numerics import NumericClass
from adapt.base.prepare import base_folder
from adapt.errors import AdaptError
from adapt.plan.repro import read_lock_file
from adapt.plan.runs import read_run
from adapt.plan.stages import Stage
from adapt.plan.workspace import Workspace
from adapt.spec.resolved.train import TrainSection

MOST_RUNS = 3
"""Past trainings that a correction is taken from, those most like the one to come first."""
_FACTOR_BOUNDS = (0.5, 2.0)
"""A correction beyond these tells of a machine that was short of memory, not of the formula."""
_PROCESS_MIB = 120
"""What a stage without models takes whatever its input."""
_SCALED = ("corpus", "dataset", "evaluate")
"""Stages whose time grows with the raw corpus."""


@dataclass(frozen=True)
class Correction:
    """What past trainings tell about the next."""

    runs: tuple[str, ...] = ()
    """Stages that it is taken from."""
    memory: float = 1.0
    """Measured peak as a multiple of the forecast."""
    rate: float | None = None
    """Operations per second in optimiser steps."""
    apart_seconds: float = 0.0
    """Seconds besides steps and validation: loading, tokenising, writing."""


@dataclass(frozen=True)
class Past:
    """What a past run of a stage tells about the next."""

    stage: str
    seconds: float
    peak_mib: int


@dataclass(frozen=True)
class _Training:
    stage: str
    section: TrainSection
    record: Mapping[str, Any]


def correction_for(section: TrainSection, workspace: Workspace, names: Sequence[str], *, device: Device) -> Correction:
    """The correction for a training of `section` on `device`, from past ones of the adapters `names`; none where there is no past.

    Only trainings of the same numeric class count: another number format or number of threads has another rate.
    """
    runs = list(_trainings(workspace, names))
    numerics = device.numerics(section.train.dtype) if runs else None
    past = [run for run in runs if numerics is not None and numerics == NumericClass.read(run.record["figures"])]

    def likeness(run: _Training) -> tuple[bool, bool, str]:
        return run.section.base != section.base, method_of(run.section.train) != method_of(section.train), run.stage

    found = [(run.stage, compared) for run in sorted(past, key=likeness)[:MOST_RUNS] if (compared := _compare(run, workspace, device.kind))]
    if not found:
        return Correction()
    low, high = _FACTOR_BOUNDS
    factors = [min(high, max(low, factor)) for _, (factor, _, _) in found]
    rates = [rate for _, (_, rate, _) in found]
    return Correction(
        runs=tuple(stage for stage, _ in found),
        memory=math.exp(math.fsum(map(math.log, factors)) / len(factors)) if device.kind == "cpu" else 1.0,
        rate=math.exp(math.fsum(map(math.log, rates)) / len(rates)),
        apart_seconds=math.fsum(apart for _, (_, _, apart) in found) / len(found),
    )


def past_stage(stage: Stage, workspace: Workspace, names: Sequence[str], *, raw: Mapping[str, int]) -> Past | None:
    """Seconds and peak of `stage` from its own last run, or from that of another adapter's stage of the same kind; None without either.

    Time is scaled by the size of the raw corpus, memory where the corpus grew. `raw` is the corpora's size in bytes now, by adapter.
    """
    others = [Stage(stage.kind, name, stage.export) for name in names if name != stage.adapter]
    for like in (stage, *others):
        record = _telling(workspace, like)
        if record is not None:
            then = _raw_then(workspace, like.adapter) or raw.get(like.adapter, 0)
            growth = raw[stage.adapter] / then if stage.kind in _SCALED and then and raw.get(stage.adapter) else 1.0
            above = max(0, int(record["peak_mib"]) - _PROCESS_MIB)
            return Past(like.name, float(record["seconds"]) * growth, round(int(record["peak_mib"]) + above * max(0.0, growth - 1)))
    return None


def folder_bytes(path: Path) -> int:
    """Size of a file, or of all files of a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _raw_then(workspace: Workspace, adapter: str) -> int | None:
    """Size of the raw corpus when it was cleaned last."""
    dependencies: Any = _locked(workspace).get(f"corpus@{adapter}", {}).get("deps", [])
    sizes = [one.get("size") for one in dependencies if isinstance(one, dict)] if isinstance(dependencies, list) else []
    return int(sizes[0]) if sizes and isinstance(sizes[0], int) else None


def _locked(workspace: Workspace) -> Mapping[str, Mapping[str, Any]]:
    try:
        return read_lock_file(workspace)
    except AdaptError:  # cut off by a killed build: the next build mends it
        return {}


def _telling(workspace: Workspace, stage: Stage) -> Mapping[str, Any] | None:
    """The last record of `stage`, where its seconds and its peak are those of its work; None without one."""
    record = read_run(workspace, stage.name)
    figures = record.get("figures")
    return None if "error" in record or not isinstance(figures, dict) or figures.get("ahead") else record


def _trainings(workspace: Workspace, names: Sequence[str]) -> Iterator[_Training]:
    """Trainings that ended well, each with the section that it had."""
    locked = _locked(workspace)
    for name in names:
        stage = Stage("train", name)
        record, params = _telling(workspace, stage), locked.get(stage.name, {}).get("params", {})
        sections = [content["train"] for content in params.values() if isinstance(content, dict) and "train" in content]
        if sections and record is not None:
            try:
                section = TrainSection.model_validate(sections[0])
                train = section.train.model_copy(update={"dtype": record["figures"].get("dtype", section.train.dtype)})
                yield _Training(stage.name, section.model_copy(update={"train": train}), record)
            except ValidationError:  # of a version whose sections were others
                continue


def _compare(run: _Training, workspace: Workspace, device: Kind) -> tuple[float, float, float] | None:
    """(measured peak / forecast, operations per second, seconds besides) of a past training; None when its records are no longer there."""
    stage = run.stage.partition("@")[2]
    dataset = workspace.dataset(stage)
    try:
        if read_manifest(workspace.adapter(stage)).inputs.get("dataset") != digest_folder(dataset):
            return None
        shape = shape_of(run.section.base, workspace)
        base = base_folder(run.section.base, root=workspace.root, cache=workspace.cache)
        workload = measured(run.section, dataset=dataset, base=base, device=device)
    except (AdaptError, OSError, json.JSONDecodeError):
        return None
    figures = run.record["figures"]
    work = forecast_work(shape, run.section.train, run.section.lora, workload)
    several = run.section.train.distributed is not None
    if work is None or several or not figures.get("tokens_per_second") or figures.get("resumed_at_step"):
        return None
    memory = forecast_memory(shape, run.section.train, run.section.lora, workload, device=device)
    seconds = figures["tokens"] / figures["tokens_per_second"]
    rate = work.training * figures["steps"] / work.steps / seconds
    apart = max(0.0, run.record["seconds"] - seconds - work.validation / rate)
    return run.record["peak_mib"] * MIB / memory.peak, rate, apart
