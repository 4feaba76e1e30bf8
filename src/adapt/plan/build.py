"""Builds adapters: the stages of the named specs and what they depend on, then the server's configuration from all that stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import WorkspaceError
from adapt.plan.repro import RESOLVE, Outcome, one_build_at_a_time, reproduce
from adapt.plan.runs import read_run
from adapt.plan.stages import ORDER, SERVING, TRAINING, Stage, stages_of
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


def build(workspace: Workspace, specs: Mapping[str, AdapterSpec], *, to: str = ORDER[-1], at_once: int = 1) -> list[Built]:
    """Bring the adapters of `specs` up to date, then render the server from every adapter of the workspace that stands and passed.

    With `to`, only the stages up to that kind, and no server. With `at_once` above one, stale adapters on one base are trained together. A failure
    stops only what depends on it. Raises WorkspaceError when another build is running or DVC cannot work.
    """
    wanted = ORDER[: ORDER.index(to) + 1]
    stages = [stage for name, spec in specs.items() for stage in stages_of(name, spec) if stage.kind in wanted]
    whole = wanted == ORDER
    ends = [stage.name for stage in stages if stage.kind == to or (whole and stage.kind == "gate")]
    with one_build_at_a_time(workspace):
        for folder in (workspace.gates, workspace.adapters):  # what serving reads: DVC takes no missing dependency
            folder.mkdir(parents=True, exist_ok=True)
        if at_once > 1 and sum(stage.kind in TRAINING for stage in stages) > 1:
            outcomes = reproduce_together(workspace, [RESOLVE, *ends], {stage.name: stage.adapter for stage in stages}, at_once=at_once)
        else:
            outcomes = reproduce(workspace, [RESOLVE, *ends], keep_going=True)
        if outcomes.get(RESOLVE) == "failed":
            raise WorkspaceError("the specs could not be resolved", hint="the message above says why; `adapt validate` checks specs alone")
        if whole:
            outcomes |= reproduce(workspace, [SERVING.name], alone=True)
    return [_built(workspace, stage, outcomes.get(stage.name, "skipped")) for stage in (*stages, *([SERVING] if whole else []))]


def _built(workspace: Workspace, stage: Stage, outcome: Outcome) -> Built:
    run: Mapping[str, Any] = read_run(workspace, stage.name) if outcome in ("ran", "failed") else {}
    if outcome == "failed" and "error" not in run:  # it failed before it began, and the record is of another run
        run = {}
    return Built(stage.name, outcome, stage.out(workspace), run.get("seconds"), run.get("peak_mib"), run.get("error"))
