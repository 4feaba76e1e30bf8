"""What one training reads and writes, where its curves go meanwhile, and how it went: plain values, so that they pass between processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapt.base.numerics import NumericClass
from adapt.errors import InputError
from adapt.spec.resolved.train import TrainSection


@dataclass(frozen=True)
class TrainReport:
    """How a training went."""

    steps: int
    planned_steps: int
    best_step: int
    """Step whose weights were kept."""
    train_loss: float
    """Loss of the last step, in nats per answer token."""
    validation_loss_before: float | None
    """Validation loss of the base alone; None without validation records."""
    validation_loss: float | None
    """Validation loss of the weights that were kept."""
    records: int
    left_out: int
    """Records longer than train.max_length_tokens."""
    tokens: int
    """Tokens seen over all epochs, prompts included."""
    tokens_per_second: float
    """Tokens of training steps over their time, in this process; validation and loading not counted."""
    trainable_parameters: int
    device: str
    resumed_at_step: int
    dtype: str
    """Number format that was computed in."""
    instruction_set: str
    """With `device`, `dtype` and `threads` the numeric class, see `adapt.base.numerics`."""
    threads: int | None
    ahead: bool = False
    """Whether it was trained before its stage asked for it, so that the stage's own time and memory are not those of the training."""


class TrainingsError(InputError):
    """Some of several trainings failed; the others were trained to their end."""

    def __init__(self, failures: Mapping[Path, InputError]) -> None:
        """`failures`: why, by the folder that the adapter would have got."""
        first = next(iter(failures.values()))
        super().__init__(first.message, hint=first.hint)
        self.failures = dict(failures)


@dataclass(frozen=True)
class Tracking:
    """Where the points of curves are sent while a training runs, besides what it writes at its end. Changes no output."""

    trackers: tuple[str, ...]
    """Kinds, as in `trackers.use` of params.yaml."""
    project: str
    name: str
    """What the run is called."""
    folder: Path
    """Where trackers without a server keep their runs."""


@dataclass(frozen=True)
class Training:
    """One adapter to train: what its stage reads and writes."""

    section: TrainSection
    inputs: Path
    """A dataset folder: train.jsonl, validation.jsonl."""
    out: Path
    """The adapter folder."""
    curves: Path
    """Gets the loss curves, just before `out` appears."""
    work: Path
    """A folder for checkpoints of this adapter alone; it is empty again on success."""
    steps: Mapping[str, Path] = field(default_factory=dict)
    """Adapter folders of the steps that the section names: what it starts from, and its reward model."""
    tracking: Tracking | None = None
    """None sends no points."""
    former: NumericClass | None = None
    """Class of the adapter that this one takes the place of, where that is known."""
    calibration: Path | None = None
    """Where measurements of this machine are kept; None measures it when a factor is to be said."""
    watch: Callable[[int, float], None] | None = None
    """Told step and validation loss of every measurement; an InputError that it raises ends the training. Not told of one in several processes."""

    @property
    def folders(self) -> dict[str, Path]:
        """What it reads beside the base, by the label in the manifest."""
        return {"dataset": self.inputs, **{f"step {name}": folder for name, folder in sorted(self.steps.items())}}
