"""Trainings of stages: one when DVC asks for it, several together before it does."""

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from adapt.artifact.process import die_with_parent
from adapt.artifact.progress import Progress, progress_for_terminal
from adapt.cli.context import open_workspace, say_outside_builds
from adapt.cli.sections import prepared_base, read_section, read_yaml, spin_briefly
from adapt.errors import AdaptError, InputError, StageError
from adapt.plan.stages import TRAINING, Stage, split_item
from adapt.plan.together import DEFER, DEFERRED
from adapt.plan.workspace import Workspace
from adapt.spec.resolved.train import TrainSection
from adapt.spec.steps import named_steps
from adapt.spec.trackers import TrackersSpec

if TYPE_CHECKING:
    from adapt.adapter.training import Tracking, Training, TrainReport


@click.command("cotrain")
@click.argument("stages", nargs=-1, required=True)
@click.option("--at-once", type=click.IntRange(min=1), default=8, show_default=True, help="Adapters in memory at a time.")
def cotrain_command(stages: tuple[str, ...], at_once: int) -> None:
    """Train the adapters of STAGES, such as train@finance, over one base in memory; the stages then find them.

    `adapt build` calls this for the adapters that are stale. Data sets must be built.
    """
    die_with_parent()
    spin_briefly()
    workspace = open_workspace()
    if wrong := [name for name in stages if name.partition("@")[0] not in TRAINING or not name.partition("@")[2]]:
        raise click.UsageError(f"{wrong[0]} trains nothing; name stages such as train@finance")
    failed: list[AdaptError] = []
    progress = progress_for_terminal()
    for group in _groups(workspace, [split_item(*name.split("@", 1)) for name in stages], at_once):
        try:
            with progress.alive("training together"):
                _train_ahead(workspace, group, progress)
        except AdaptError as error:
            failed.append(error)
    if failed:
        raise StageError("; ".join(map(str, failed)))
    say_outside_builds(f"trained {', '.join(stages)}; `adapt build` and `dvc repro` take the adapters from here")


def train_stage(workspace: Workspace, stage: Stage, section: TrainSection, progress: Progress) -> "TrainReport":
    """The adapter of one stage: the one that was trained ahead, or a new one. Ends the process when a build wants to train several together first."""
    from adapt.adapter.ahead import is_ahead, take
    from adapt.adapter.distributed.group import group_size

    if group_size() > 1:
        raise InputError(
            f"{group_size()} processes were started for {stage.name}, which DVC runs in one",
            hint=f"let them run `adapt cotrain {stage.name}`; `adapt build` then finds the adapter (docs/how-to/train-on-several-gpus.md)",
        )
    training = training_of(workspace, stage, section)
    if is_ahead(training):
        return take(training)
    if (listing := os.environ.get(DEFER)) and stage.name not in Path(listing).read_text(encoding="utf-8").split():
        with Path(listing).open("a", encoding="utf-8") as file:
            file.write(f"{stage.name}\n")
        raise SystemExit(DEFERRED)
    from adapt.adapter.train import train_together

    training = _with_former(workspace, stage, training)
    return train_together([training], base=prepared_base(workspace, section.base, progress), progress=progress)[0]


def training_of(workspace: Workspace, stage: Stage, section: TrainSection) -> "Training":
    """What a training stage reads and writes."""
    from adapt.adapter.training import Training

    name = stage.adapter
    return Training(
        section,
        inputs=workspace.dataset(name),
        out=stage.out(workspace),
        curves=workspace.step_curves(name, stage.step) if stage.step else workspace.curves(name),
        work=workspace.work(stage.name),
        steps={step: workspace.step(name, step) for step in named_steps(section.train)},
        tracking=_tracking(workspace, stage),
        calibration=workspace.calibration,
    )


def _with_former(workspace: Workspace, stage: Stage, training: "Training") -> "Training":
    """The training with the numeric class of the adapter that it replaces: DVC has removed that by now, and its cache may be that of others too."""
    from adapt.adapter.folder import TRAINING as RECORD
    from adapt.base.numerics import NumericClass
    from adapt.plan.former import read_former

    content = read_former(workspace, stage, RECORD)
    return training if content is None else replace(training, former=NumericClass.read(json.loads(content)))


def _tracking(workspace: Workspace, stage: Stage) -> "Tracking | None":
    """The trackers of params.yaml, as `resolve` wrote them down."""
    from adapt.adapter.training import Tracking

    spec = TrackersSpec.model_validate(read_yaml(workspace.trackers))
    return Tracking(spec.use, spec.project, stage.name, workspace.tracked) if spec.use else None


def _groups(workspace: Workspace, stages: Sequence[Stage], at_once: int) -> list[list[tuple[Stage, TrainSection]]]:
    """The stages by their base, at most so many at a time."""
    by_base: dict[str, list[tuple[Stage, TrainSection]]] = defaultdict(list)
    for stage in stages:
        section = read_section(workspace, stage)
        if not isinstance(section, TrainSection):
            raise AssertionError(stage.name)
        by_base[section.base.digest].append((stage, section))
    return [group[start : start + at_once] for group in by_base.values() for start in range(0, len(group), at_once)]


def _train_ahead(workspace: Workspace, group: Sequence[tuple[Stage, TrainSection]], progress: Progress) -> None:
    from adapt.adapter.ahead import train_ahead

    base = prepared_base(workspace, group[0][1].base, progress)
    trainings = [_with_former(workspace, stage, training_of(workspace, stage, section)) for stage, section in group]
    train_ahead(trainings, base=base, progress=progress)
