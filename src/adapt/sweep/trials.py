"""Trials of a sweep: settings in, adapters trained together out, each with its best validation loss.

A trial is a spec with some settings changed, resolved as a build resolves it; its adapter is kept by what it was trained from, so that a sweep that
is killed goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from adapt.adapter.ahead import curve_of, is_ahead, report_of, train_ahead
from adapt.adapter.training import Training
from adapt.advice.rewrite import rewritten
from adapt.artifact.manifest import section_digest
from adapt.artifact.progress import Progress
from adapt.base.prepare import prepare
from adapt.errors import InputError
from adapt.plan.resolve import resolve_adapter
from adapt.plan.workspace import Workspace
from adapt.spec.load import load_specs
from adapt.spec.resolved.train import TrainSection
from adapt.spec.steps import named_steps
from adapt.sweep.search import PrunedError
from adapt.sweep.space import Settings

Outcome = Literal["done", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One set of settings, and what came of it."""

    number: int
    settings: Settings
    outcome: Outcome
    validation_loss: float | None
    """Best validation loss, nats per unit of weight; None when the trial did not end."""
    steps: int | None
    curve: tuple[tuple[int, float], ...]
    """Validation loss by step."""
    reason: str = ""
    """Why it did not end."""


def shown(settings: Settings) -> str:
    """Settings in one line."""
    return ", ".join(f"{path}={value}" for path, value in settings.items())


class Trials:
    """Makes and trains trials of one spec."""

    def __init__(self, workspace: Workspace, name: str, *, fused: bool, progress: Progress) -> None:
        self._workspace, self._name, self._progress = workspace, name, progress
        self._text = workspace.spec(name).read_text(encoding="utf-8")
        self._mode: Mapping[str, Any] = {"train.cotraining": "fused"} if fused else {}
        self.folder = workspace.private / "sweeps" / name

    def text(self, settings: Settings) -> str:
        """The spec's text with the trial's settings in it."""
        return rewritten(self._text, {**self._mode, **settings})

    def section(self, settings: Settings) -> TrainSection:
        """What the trial's training reads. Raises SpecError for settings that make no valid spec."""
        path = self.folder / "specs" / f"{self._name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text(settings), encoding="utf-8")
        try:
            spec = load_specs(self._workspace.root, [path])[self._name]
        finally:
            shutil.rmtree(path.parent)
        return resolve_adapter(self._workspace, self._name, spec).train

    def training(self, settings: Settings) -> Training:
        """The trial's training; its folders belong to its section."""
        section, workspace = self.section(settings), self._workspace
        work = self.folder / section_digest(section)[:16]
        steps = {step: workspace.step(self._name, step) for step in named_steps(section.train)}
        return Training(section, workspace.dataset(self._name), work / "adapter", work / "curves", work, steps)

    def run(self, trials: Mapping[int, Settings], watch: Watch | None = None) -> list[Trial]:
        """Train `trials`, by number, together, those aside that were trained before. `watch` hears of every measurement and may end a trial."""
        trainings = {number: self.training(settings) for number, settings in trials.items()}
        ended: dict[int, InputError] = {}
        missing = {number: training for number, training in trainings.items() if not is_ahead(training)}
        if missing:
            watched = [replace(training, watch=_watching(number, watch, ended)) for number, training in missing.items()]
            base = prepare(watched[0].section.base, root=self._workspace.root, cache=self._workspace.cache, progress=self._progress)
            try:
                train_ahead(watched, base=base, progress=self._progress)
            except InputError as error:
                for number, training in missing.items():
                    if not is_ahead(training):
                        ended.setdefault(number, error)
        return [_trial(number, settings, trainings[number], ended.get(number)) for number, settings in trials.items()]


Watch = Callable[[int, int, float], None]
"""Told the number of a trial, the step and the validation loss; raises an InputError to end the trial."""


def _watching(number: int, watch: Watch | None, ended: dict[int, InputError]) -> Callable[[int, float], None] | None:
    if watch is None:
        return None

    def watched(step: int, loss: float) -> None:
        try:
            watch(number, step, loss)
        except InputError as error:
            ended[number] = error
            raise

    return watched


def _trial(number: int, settings: Settings, training: Training, error: InputError | None) -> Trial:
    if not is_ahead(training):
        shutil.rmtree(training.work, ignore_errors=True)
        return Trial(number, settings, "pruned" if isinstance(error, PrunedError) else "failed", None, None, (), str(error or "it was not trained"))
    report = report_of(training)
    return Trial(number, settings, "done", report.validation_loss, report.steps, tuple(curve_of(training)))
