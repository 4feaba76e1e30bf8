"""Builds adapters: the stages of the named specs and what they depend on, then the server's configuration from all that stand."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.artifact.manifest import provenance_path
from adapt.errors import WorkspaceError
from adapt.plan.repro import RESOLVE, Outcome, one_build_at_a_time, reproduce, set_aside_broken_lock_file
from adapt.plan.runs import read_run
from adapt.plan.stages import ORDER, SERVING, TRAINING, Stage, stages_of
from adapt.plan.status import StageStatus
from adapt.plan.together import reproduce_together
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec


@dataclass(frozen=True)
class Built:
    """What became of one stage."""

    stage: str
    outcome: Outcome
    out: Path
    seconds: float | None
    """Wall-clock seconds, when it ran in this build."""
    peak_mib: int | None
    """Largest resident memory, when it ran in this build."""
    error: str | None
    """Why it failed."""


def build(
    workspace: Workspace,
    specs: Mapping[str, AdapterSpec],
    *,
    to: str = ORDER[-1],
    at_once: int = 1,
    judge: Callable[[], Sequence[StageStatus]] = tuple,
) -> list[Built]:
    """Bring the adapters of `specs` up to date, then render the server from every adapter of the workspace that stands and passed.

    With `to`, only the stages up to that kind, and no server. With `at_once` above one, stale adapters on one base are trained together. A failure
    stops only what depends on it. `judge` says how stages stand by their contents: what it holds for stale is built, whatever DVC remembers of
    sizes and times. Raises WorkspaceError when another build is running or DVC cannot work.
    """
    wanted = ORDER[: ORDER.index(to) + 1]
    stages = [stage for name, spec in specs.items() for stage in stages_of(name, spec) if stage.kind in wanted]
    whole = wanted == ORDER
    ends = [stage.name for stage in stages if stage.kind == to or (whole and stage.kind == "gate")]
    every = [*stages, *([SERVING] if whole else [])]
    with one_build_at_a_time(workspace):
        for folder in (workspace.gates, workspace.adapters):  # what serving reads: DVC takes no missing dependency
            folder.mkdir(parents=True, exist_ok=True)
        set_aside_broken_lock_file(workspace)
        forgotten = _doubtful(workspace, specs, every, _stale(judge))
        if at_once > 1 and sum(stage.kind in TRAINING for stage in stages) > 1:
            adapters = {stage.name: stage.adapter for stage in stages}
            outcomes = reproduce_together(workspace, [RESOLVE, *ends], adapters, at_once=at_once, forgotten=forgotten)
        else:
            outcomes = reproduce(workspace, [RESOLVE, *ends], keep_going=True, forgotten=forgotten)
        if outcomes.get(RESOLVE) == "failed":
            raise WorkspaceError("the specs could not be resolved", hint="the message above says why; `adapt validate` checks specs alone")
        if whole:
            outcomes |= reproduce(workspace, [SERVING.name], alone=True)
        outcomes |= _run_overlooked(workspace, every, outcomes, judge)
    return [_built(workspace, stage, outcomes.get(stage.name, "skipped")) for stage in every]


def _stale(judge: Callable[[], Sequence[StageStatus]]) -> set[str]:
    return {one.stage for one in judge() if one.state == "stale"}


def _doubtful(workspace: Workspace, specs: Mapping[str, AdapterSpec], stages: Sequence[Stage], stale: Collection[str]) -> list[Path]:
    """What the stages `stale` read and wrote: something of it is not what DVC may take it for."""
    paths: list[Path] = []
    for stage in stages:
        if stage.name in stale:
            out = stage.out(workspace)
            paths += [out, provenance_path(out), *stage.inputs(workspace).values()]
            if stage.kind == "corpus":
                paths.append(workspace.raw(stage.adapter, specs[stage.adapter].corpus.path))
    return paths


def _run_overlooked(
    workspace: Workspace, stages: Sequence[Stage], outcomes: Mapping[str, Outcome], judge: Callable[[], Sequence[StageStatus]]
) -> dict[str, Outcome]:
    """Run what DVC left unchanged and contents say is stale, such as an output that `dvc commit` recorded as made from
    what it was not made from, and what follows from it."""
    again: dict[str, Outcome] = {}
    stale = _stale(judge)
    while name := next((each.name for each in stages if each.name in stale - again.keys() and outcomes.get(each.name) == "unchanged"), None):
        again |= reproduce(workspace, [name], alone=True, force=True)
        stale = _stale(judge)
    return again


def _built(workspace: Workspace, stage: Stage, outcome: Outcome) -> Built:
    run: Mapping[str, Any] = read_run(workspace, stage.name) if outcome in ("ran", "failed") else {}
    if outcome == "failed" and "error" not in run:  # it failed before it began, and the record is of another run
        run = {}
    return Built(stage.name, outcome, stage.out(workspace), run.get("seconds"), run.get("peak_mib"), run.get("error"))
