"""Trains an adapter: Alpaca records and a base model in, an adapter folder and loss curves out.

Leaves, in the adapter folder: weights and config as the method stores them (peft's, for most), the chat template that it was trained with, and
training.json. The loss is taken on answers alone, end token included. A training that is killed goes on from its last checkpoint and ends with
the same bytes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from adapt.adapter.distributed.group import group_size, join
from adapt.adapter.distributed.launch import launch
from adapt.adapter.distributed.ranks import ALONE, Ranks
from adapt.adapter.folder import TEMPLATE, TRAINING, base_name, write_json
from adapt.adapter.intake import Intake, read_items
from adapt.adapter.prompt import Prompt
from adapt.adapter.training import Training, TrainingsError, TrainReport
from adapt.artifact.digest import digest_value
from adapt.artifact.manifest import section_digest, verify
from adapt.artifact.progress import Progress, QuietProgress
from adapt.artifact.staging import staged
from adapt.base.load import resolve_device
from adapt.base.numerics import AUTO, NumericClass, choose_dtype, multiplies_bfloat16, numeric_class
from adapt.errors import InputError
from adapt.spec.common_train import CommonTrain
from adapt.spec.methods import METHODS
from adapt.spec.resolved.train import TrainSection

if TYPE_CHECKING:
    from adapt.adapter.lane import Lane
    from adapt.adapter.methods.frozen import Base
    from adapt.adapter.objectives.objective import Objective

log = logging.getLogger(__name__)


def train(
    section: TrainSection,
    *,
    inputs: Path,
    base: Path,
    out: Path,
    curves: Path,
    work: Path,
    progress: Progress,
    steps: Mapping[str, Path] | None = None,
) -> TrainReport:
    """Train one adapter; see `Training` for the paths, and `train_together`."""
    return train_together([Training(section, inputs, out, curves, work, steps or {})], base=base, progress=progress)[0]


def train_together(
    trainings: Sequence[Training], *, base: Path, progress: Progress, done: Callable[[Training, TrainReport], None] | None = None
) -> list[TrainReport]:
    """Train adapters over the prepared base in folder `base`, their steps in turn; each ends with the bytes it would have alone.

    Frozen weights are in memory once; a method that changes weights of the base has a copy of its own. An adapter's folder appears as soon as it is
    trained, and `done` is called then, so a crash leaves the finished ones. Raises InputError for unusable settings or records, and when a loss stops
    being finite; then the others are trained to their end before. Those with `train.distributed` are trained after the others, one by one, in
    processes that are started for each, or in this one where it was started as one of them.
    """
    groups = [
        [each for each in trainings if each.section.train.distributed is None],
        *([each] for each in trainings if each.section.train.distributed),
    ]
    reports: dict[Path, TrainReport] = {}
    failures: dict[Path, InputError] = {}
    for group in filter(None, groups):
        try:
            found, failed = _train_group(group, base, progress, done)
        except InputError as error:
            found, failed = {}, {each.out: error for each in group}
        reports |= found
        failures |= failed
    if failures:
        raise next(iter(failures.values())) if len(trainings) == 1 else TrainingsError(failures)
    return [reports[training.out] for training in trainings]


def _train_group(
    trainings: Sequence[Training], base: Path, progress: Progress, done: Callable[[Training, TrainReport], None] | None
) -> tuple[dict[Path, TrainReport], dict[Path, InputError]]:
    """Train several in this process, or one in several; how they went, and why some failed, by their folders."""
    from adapt.adapter.loop import Trainer
    from adapt.adapter.methods.frozen import Base

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at its first product; without it results vary
    ranks, spec = ALONE, trainings[0].section.train.distributed
    if spec is not None and group_size() == 1:
        report = launch(trainings[0], base=base, progress=progress)
        if done is not None:
            done(trainings[0], report)
        return {trainings[0].out: report}, {}
    if group_size() > 1:
        if spec is None:
            raise InputError(f"{group_size()} processes were started for a training in one", hint="set train.distributed, or start one process")
        ranks = join(spec, _checked_device(trainings[0].section))
        progress = progress if ranks.first else QuietProgress()
    shared, failures = Base(base), {}
    lanes: dict[Lane, Course] = {}
    with ExitStack() as stack:
        for training in trainings:
            try:
                course = stack.enter_context(Course(training, progress, ranks))
                lanes[course.lane(shared if METHODS[course.section.train.method].shares_base else Base(base))] = course
            except InputError as error:
                failures[training.out] = error
        failed = Trainer(list(lanes), base=shared, done=lambda lane: lanes[lane].close(done)).run(progress)
        failures |= {lanes[lane].out: error for lane, error in failed.items()}
    return {course.out: course.report for course in lanes.values() if course.out not in failures}, failures


class Course:
    """The training of one adapter, from its records to its folder. A context manager: what is not closed by then leaves nothing behind."""

    def __init__(self, training: Training, progress: Progress, ranks: Ranks = ALONE) -> None:
        """Of several processes, `ranks`, the first alone writes."""
        self._training, self.section, self._progress, self._ranks = training, training.section, progress, ranks
        self._computed = training.section
        """The section with the number format that `auto` means on this device. What is kept is under the section as it was resolved."""
        self._numerics: NumericClass
        self.out = training.out
        self._unfinished = ExitStack()
        self._trackers: Any = None
        self._lane: Lane
        self.report: TrainReport
        """How it went, once it is closed."""

    def __enter__(self) -> Self:
        """Raises InputError for an unfinished dataset, and WorkspaceError when another process builds the same folder."""
        self._device = _checked_device(self.section)
        self._computed = _with_dtype(self.section, choose_dtype(self.section.train.dtype, self._device))
        self._numerics = numeric_class(self._computed.train.dtype, self._device)
        inputs = self._training.folders
        for folder in inputs.values():
            verify(folder)
        if self._ranks.first:
            output = staged(self._training.out, section=self.section, inputs=inputs, seed=self.section.seed)
            self._staging = self._unfinished.enter_context(output)
            self._say_class()
        return self

    def _say_class(self) -> None:
        """Say what is computed in, and what it costs where the device does not compute it natively."""
        dtype, former = self.section.train.dtype, self._training.former
        if former is not None and former != self._numerics:
            self._progress.say(f"the adapter before was trained in {former}; in {self._numerics} the same inputs give other bytes")
        if self._numerics.device == "cuda" or multiplies_bfloat16(self._device) or dtype not in (AUTO, "bfloat16"):
            self._progress.say(f"training in {self._numerics}")
            return
        from adapt.base.calibration import calibrate

        slowdown = calibrate(self._numerics.device, self._training.calibration).slowdown
        if dtype == AUTO:
            self._progress.say(f"training in {self._numerics}: this CPU computes bfloat16 products {slowdown:.1f} times slower")
        else:
            log.warning(
                "train.dtype is bfloat16, whose products take this CPU %.1f times as long as those of float32; `auto` takes float32 here", slowdown
            )

    def __exit__(self, *error: Any) -> None:
        unclosed = InputError("the training did not come to its end")  # told to what is unfinished, so that it is not put in place
        self._unfinished.__exit__(*(error if error[0] is not None else (InputError, unclosed, None)))

    def lane(self, base: Base) -> Lane:
        """Read the records, and attach the method to `base`. Raises InputError for records or settings that cannot be used."""
        from adapt.adapter.checkpoint import Checkpoint
        from adapt.adapter.kernels import set_kernels
        from adapt.adapter.lane import Lane
        from adapt.adapter.methods.continuing import continue_from
        from adapt.adapter.methods.door import attach
        from adapt.adapter.objectives.door import Surroundings, objective_of

        section, ranks = self._computed, self._ranks
        self._prompt = base.prompt(section.prompt)
        around = Surroundings(base, self._prompt, self._training.inputs, self._training.steps, ranks.device(self._device))
        self._objective: Objective[Any] = objective_of(section, around)
        self._intake = read_items(self._training.inputs, self._objective, self._prompt, section.train, self._progress)
        made_from = [verify(folder).model_dump() for folder in (self._training.inputs, *self._training.steps.values())]
        key = digest_value([section_digest(_in_one_process(self.section)), *made_from])
        self._track(digest_value([key, self._numerics.as_record()]))
        attached = attach(base, section, device=ranks.loads_on(self._device), sequences=self._objective.sequences(self._intake.items))
        set_kernels(attached.causal, section.train)
        if section.train.start_from is not None:
            continue_from(attached, self._training.steps[section.train.start_from], self._objective.weights())
        self._trainable = sum(weight.numel() for weight in (*attached.weights.values(), *self._objective.weights().values()))
        if ranks.shard(attached):
            base.forget()
        self._lane = Lane(
            attached,
            self._objective,
            self._intake.items,
            self._intake.validation,
            section.train,
            seed=section.seed,
            checkpoint=Checkpoint(self._training.work, key[:32], _class_of(self._numerics, ranks)),
            ranks=ranks,
        )
        self._lane.watch = self._training.watch
        self._lane.tell = None if self._trackers is None else self._trackers.tell
        return self._lane

    def _track(self, key: str) -> None:
        """Begin runs in the trackers that are asked for, or go on in those of a training that was killed."""
        if self._training.tracking is not None and self._ranks.first:
            trackers = import_module("adapt.adapter.trackers")  # by name, so that no adapter depends on it
            self._trackers = trackers.Trackers(self._training.tracking, self._computed, self._training.work / f"trackers-{key[:32]}.json")
            self._unfinished.callback(self._end_tracking, finished=False)

    def _end_tracking(self, *, finished: bool) -> None:
        if self._trackers is not None:
            self._trackers.close(finished=finished)
            self._trackers = None

    def close(self, done: Callable[[Training, TrainReport], None] | None) -> None:
        """Write the adapter folder of the lane's weights as they are, and the curves; the folder is in place on return, and when `done` is called."""
        from adapt.adapter.curves import write_curves
        from adapt.adapter.objectives.door import save_objective

        lane, section = self._lane, self._computed
        self.report = _report(lane, self._intake, self._trainable, self._numerics)
        self._ranks.gather(lane.attached)
        if not self._ranks.first:
            return
        _warn_of_outcome(lane, self._prompt)
        lane.attached.save(self._staging, section.base)
        told = save_objective(self._objective, section, self._staging)
        (self._staging / TEMPLATE).write_text(self._prompt.template, encoding="utf-8", newline="\n")
        write_json(self._staging / TRAINING, _training(section, lane, self.report, self._numerics, self._intake, self._prompt) | told)
        write_curves(self._training.curves, lane.state.points)
        self._end_tracking(finished=True)
        self._unfinished.close()
        lane.checkpoint.clear()
        if done is not None:
            done(self._training, self.report)


def _in_one_process(section: TrainSection) -> TrainSection:
    """What a checkpoint depends on: it can be taken up by any number of processes."""
    return section.model_copy(update={"train": section.train.model_copy(update={"distributed": None})})


def _with_dtype(section: TrainSection, dtype: str) -> TrainSection:
    """The section as it is computed, in the number format that was chosen."""
    return section.model_copy(update={"train": section.train.model_copy(update={"dtype": dtype})})


def _class_of(numerics: NumericClass, ranks: Ranks) -> NumericClass:
    """The class that a checkpoint belongs to; of several processes, whose sums vary with their number anyhow, without threads."""
    return numerics if ranks.size == 1 else replace(numerics, threads=None)


def _checked_device(section: TrainSection) -> str:
    device = resolve_device(section.train.device)
    if device == "cpu" and section.train.dtype == "float16":
        raise InputError(
            "train.dtype is float16, and training runs on a CPU, where half precision has no loss scaling",
            hint="set train.dtype to auto, bfloat16 or float32",
        )
    if device == "cpu" and section.train.offload_activations:
        raise InputError("train.offload_activations is set, and training runs on a CPU, where activations are already", hint="set it to false")
    for name, value in (("kernels", "liger"), ("attention", "flex")):
        if device == "cpu" and getattr(section.train, name) == value:
            other = CommonTrain.model_fields[name].default
            raise InputError(f"train.{name} is {value}, which runs on CUDA alone, and training runs on a CPU", hint=f"set it to {other}")
    return device


def _warn_of_outcome(lane: Lane, prompt: Prompt) -> None:
    state = lane.state
    if state.first_loss is not None and state.best_loss is not None and state.best_loss >= state.first_loss:
        log.warning("the validation loss never fell below that of the base: %.4f before, %.4f at best", state.first_loss, state.best_loss)
    settings = lane.causal.generation_config
    known = settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id]
    if prompt.end_ids[0] not in (*known, prompt.tokenizer.eos_token_id):
        log.warning("answers end with %r, at which the base model's own settings do not stop", prompt.tokenizer.decode([prompt.end_ids[0]]))


def _report(lane: Lane, intake: Intake, trainable: int, numerics: NumericClass) -> TrainReport:
    state = lane.state
    return TrainReport(
        steps=state.step,
        planned_steps=lane.plan.steps,
        best_step=state.best_step,
        train_loss=state.train_loss,
        validation_loss_before=state.first_loss,
        validation_loss=state.best_loss,
        records=len(intake.items),
        left_out=intake.left_out,
        tokens=state.tokens,
        tokens_per_second=lane.seconds_tokens / lane.seconds if lane.seconds else 0.0,
        trainable_parameters=trainable,
        resumed_at_step=lane.resumed_at,
        **numerics.as_record(),
    )


def _training(section: TrainSection, lane: Lane, report: TrainReport, numerics: NumericClass, intake: Intake, prompt: Prompt) -> dict[str, Any]:
    """Contents of training.json: nothing that depends on the time or on whether the training was interrupted."""
    return {
        "base": {"kind": section.base.source.kind, "model": base_name(section.base), "digest": section.base.digest},
        "method": section.train.method,
        **numerics.as_record(),
        "packing": "packed" if lane.packed else "padded",
        "steps": {"planned": report.planned_steps, "taken": report.steps, "best": report.best_step},
        "losses": {"train": report.train_loss, "validation_before": report.validation_loss_before, "validation": report.validation_loss},
        "records": {
            "train": report.records,
            "validation": len(intake.validation),
            "left_out_train": intake.left_out,
            "left_out_validation": intake.left_out_validation,
        },
        "tokens": {"seen": report.tokens, "trained": lane.state.trained},
        "trainable_parameters": report.trainable_parameters,
        "end_token_ids": list(prompt.end_ids),
    }
