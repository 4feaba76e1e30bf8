"""Trials of a sweep: settings in, adapters trained together out, each with its best validation loss.

A trial is a spec with some settings changed, resolved as a build resolves it; its adapter is kept by what it was trained from, so that a sweep that
is killed goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from adapt.adapter.ahead import FOLDER, curve_of, is_ahead, report_of, train_ahead
from adapt.adapter.load import read_training
from adapt.adapter.training import Training, TrainingsError
from adapt.advice.rewrite import rewritten
from adapt.advice.trainable import training_problems
from adapt.artifact.manifest import section_digest
from adapt.artifact.progress import Progress
from adapt.base.prepare import prepare
from adapt.errors import AdaptError, InputError, Problem, SpecError, WorkspaceError
from adapt.plan.fingerprint import remembered
from adapt.plan.resolve import resolve_adapter
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from adapt.spec.combinations import alone_reason
from adapt.spec.common_train import CommonTrain
from adapt.spec.comparison import LOSS, incomparable, metrics_for
from adapt.spec.load import load_specs
from adapt.spec.resolved.train import TrainSection
from adapt.spec.steps import named_steps
from adapt.sweep.metrics import measure, shared_records
from adapt.sweep.search import PrunedError
from adapt.sweep.space import Settings, Space, corners

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
    validation_records: int | None = None
    """Validation records behind the loss."""
    score: float | None = None
    """The metric that trials are ranked by: the validation loss itself, or what was asked for in its place."""


def shown(settings: Settings) -> str:
    """Settings in one line."""
    return ", ".join(f"{path}={value}" for path, value in settings.items())


class Trials:
    """Makes and trains trials of one spec."""

    def __init__(self, workspace: Workspace, name: str, *, fused: bool, progress: Progress) -> None:
        self._workspace, self.name, self._progress = workspace, name, progress
        self._text = workspace.spec(name).read_text(encoding="utf-8")
        self._fused = fused
        self.folder = workspace.private / "sweeps" / name

    def check_settings(self, space: Space, metric: str) -> None:
        """Raise SpecError for settings that make no valid spec, and InputError for trials that could not be ranked by `metric`.

        Nothing needs to be built for it.
        """
        problems: dict[Problem, None] = {}
        trains = []
        with remembered(self._workspace.fingerprints):
            for settings in corners(space):
                try:
                    section = self.section(settings)
                except SpecError as error:
                    problems.update(dict.fromkeys(_laid_at(space, problem) for problem in error.problems))
                    continue
                trains.append(section.train)
                found = training_problems(self._workspace, section)
                problems.update(dict.fromkeys(_laid_at(space, Problem.of_text("", problem)) for problem in found))
        if problems:
            raise SpecError(list(problems))
        check_metric(trains, metric)

    def check(self, space: Space) -> None:
        """Raise InputError where trials of `space` could not be compared."""
        if not (self._workspace.dataset(self.name) / "validation.jsonl").stat().st_size:
            raise InputError("the data set has no validation records, and trials are compared by them", hint="raise dataset.split.validation")
        if self._load(self._text).train.start_from is not None and any(path.startswith("lora.") for path in space):
            raise InputError("this training starts from a step, whose adapter has one shape", hint="sweep settings of train alone")

    def written(self, settings: Settings) -> str:
        """The spec's text with `settings` in it."""
        return rewritten(self._text, settings)

    def text(self, settings: Settings) -> str:
        """The spec's text that the trial is trained from: with shared forward passes where they are asked for and the settings allow them."""
        text = self.written(settings)
        shares = self._fused and alone_reason(self._load(text).train) is None
        return rewritten(text, {"train.cotraining": "fused"}) if shares else text

    def section(self, settings: Settings) -> TrainSection:
        """What the trial's training reads. Raises SpecError for settings that make no valid spec."""
        return resolve_adapter(self._workspace, self.name, self._load(self.text(settings))).train

    def _load(self, text: str) -> AdapterSpec:
        path = self.folder / "specs" / f"{self.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        try:
            return load_specs(self._workspace.root, [path])[self.name]
        finally:
            shutil.rmtree(path.parent)

    def scored(self, trials: Sequence[Trial], metric: str, space: Space) -> list[Trial]:
        """`trials`, each with its score: its own validation loss, or `metric` on the validation records that all of them read."""
        if metric == LOSS:
            return [replace(trial, score=trial.validation_loss) for trial in trials]
        done = {trial.number: self.training(trial.settings) for trial in trials if trial.outcome == "done"}
        if not done:
            return list(trials)
        adapters = {number: training.work / FOLDER / "adapter" for number, training in done.items()}
        sections = [training.section for training in done.values()]
        base = prepare(sections[0].base, root=self._workspace.root, cache=self._workspace.cache, progress=self._progress)
        limits = [self._load(self.written(settings)).train.max_length_tokens for settings in corners(space)]
        validation = self._workspace.dataset(self.name) / "validation.jsonl"
        records = shared_records(next(iter(adapters.values())), base, validation, longest=min(limits))
        scores = {}
        with self._progress.task(f"measuring {metric}", total=len(adapters)) as task:
            for number, adapter in adapters.items():
                scores[number] = measure(metric, adapter, base, records, batch_tokens=sections[0].train.batch_tokens)
                task.advance()
        return [replace(trial, score=scores.get(trial.number)) for trial in trials]

    def training(self, settings: Settings) -> Training:
        """The trial's training; its folders belong to its section."""
        section, workspace = self.section(settings), self._workspace
        work = self.folder / section_digest(section)[:16]
        steps = {step: workspace.step(self.name, step) for step in named_steps(section.train)}
        return Training(section, workspace.dataset(self.name), work / "adapter", work / "curves", work, steps)

    def run(self, trials: Mapping[int, Settings], watch: Watch | None = None) -> list[Trial]:
        """Train `trials`, by number, together, those aside that were trained before. `watch` hears of every measurement and may end a trial."""
        trainings = {number: self.training(settings) for number, settings in trials.items()}
        missing: dict[Path, Training] = {}
        for number, training in trainings.items():  # a search may ask for the same settings twice
            if training.work not in missing and not is_ahead(training):
                missing[training.work] = replace(training, watch=partial(watch, number) if watch is not None else None)
        ended: dict[Path, AdaptError] = {}
        if missing:
            first = next(iter(missing.values()))
            base = prepare(first.section.base, root=self._workspace.root, cache=self._workspace.cache, progress=self._progress)
            try:
                train_ahead(list(missing.values()), base=base, progress=self._progress)
            except TrainingsError as error:
                ended = {out.parent.parent: why for out, why in error.failures.items()}
            except (InputError, WorkspaceError) as error:
                ended = dict.fromkeys(missing, error)
        return [_trial(number, settings, trainings[number], ended.get(trainings[number].work)) for number, settings in trials.items()]


Watch = Callable[[int, int, float], None]
"""Told the number of a trial, the step and the validation loss; raises an InputError to end the trial."""


def _trial(number: int, settings: Settings, training: Training, error: AdaptError | None) -> Trial:
    if not is_ahead(training):
        shutil.rmtree(training.work, ignore_errors=True)
        return Trial(number, settings, "pruned" if isinstance(error, PrunedError) else "failed", None, None, (), str(error or "it was not trained"))
    report = report_of(training)
    measured = int(read_training(training.work / FOLDER / "adapter")["records"]["validation"])
    curve = tuple(curve_of(training))
    return Trial(number, settings, "done", report.validation_loss, report.steps, curve, validation_records=measured)


def check_metric(trains: Sequence[CommonTrain], metric: str) -> None:
    """Raise InputError where `metric` would not mean the same for all of `trains`."""
    able = metrics_for(trains)
    ways = f"name a metric that no setting of these defines: --metric {' or --metric '.join(able)}" if able else "sweep other settings"
    if metric == LOSS:
        if reason := incomparable(trains):
            raise InputError(f"trials cannot be ranked by their validation losses: {reason}, and it differs between them", hint=ways)
    elif metric not in able:
        kinds = ", ".join(sorted({train.objective.kind for train in trains}))
        raise InputError(f"--metric {metric}: what trains with objective {kinds} does not have it", hint=ways)


def _laid_at(space: Space, problem: Problem) -> Problem:
    """A problem of a trial's spec, under the name of the setting that brings it."""
    if problem.field in space:
        return replace(problem, file=f"-S {problem.field}", field=None)
    return replace(problem, file=f"with -S {' -S '.join(space)}")
