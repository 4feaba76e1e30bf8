"""The state of an unfinished training in one file, from which a killed one goes on.

Random numbers need no state here: every step seeds them anew from the training's seed and the step's number.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from adapt.adapter.curves import Point
from adapt.artifact.staging import sync_folder
from adapt.base.numerics import NumericClass

log = logging.getLogger(__name__)
_STATE, _CLASS = "state", "class"


@dataclass
class State:
    """How far a training is."""

    step: int = 0
    points: list[Point] = field(default_factory=list)
    """The curves so far."""
    tokens: int = 0
    """Tokens seen, prompts included, padding not."""
    trained: int = 0
    """What the losses of all steps were divided by: answer tokens, for supervised fine-tuning."""
    train_loss: float = float("inf")
    """Loss of the last step."""
    first_loss: float | None = None
    """Validation loss before the first step."""
    best_loss: float | None = None
    best_step: int = 0
    worse: int = 0
    """Measurements since the best."""
    scaler: dict[str, float] = field(default_factory=dict)
    """State of the loss scaling in half precision."""


@dataclass(frozen=True)
class Checkpoint:
    """A file that belongs to one training: its name is a digest of everything that the training depends on."""

    folder: Path
    key: str
    numerics: NumericClass | None = None
    """The class of this process; a checkpoint of another one is not gone on from, since the bytes would be those of neither. None takes any."""

    @property
    def _class(self) -> dict[str, Any]:
        return {} if self.numerics is None else self.numerics.as_record()

    @property
    def path(self) -> Path:
        return self.folder / f"checkpoint-{self.key}.safetensors"

    def write(self, state: State, tensors: dict[str, Tensor]) -> None:
        """Replace the file in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".partial")
        with aside.open("wb") as file:
            file.write(save(tensors, metadata={_STATE: json.dumps(asdict(state)), _CLASS: json.dumps(self._class)}))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)
        sync_folder(self.folder)

    def read(self) -> tuple[State, dict[str, Tensor]] | None:
        """What was written last; None where there is nothing, or it was computed in another class, which is said."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
                state = State(**json.loads(metadata[_STATE]))
                computed = NumericClass.read(json.loads(metadata[_CLASS]))
        except (SafetensorError, KeyError, ValueError, TypeError):
            log.warning("the checkpoint %s cannot be read; training starts anew", self.path.name)
            return None
        if self.numerics is not None and computed is not None and not self.numerics.continues(computed):
            log.warning("training starts anew: its checkpoint at step %d was computed in %s, and this process computes in %s",
                        state.step, computed, self.numerics)  # fmt: skip
            return None
        state.points = [(step, name, value) for step, name, value in state.points]
        return state, tensors

    def clear(self) -> None:
        """Remove every checkpoint of the folder: this training is over, and others of the same adapter are out of date."""
        for path in (*self.folder.glob("checkpoint-*.safetensors"), *self.folder.glob("checkpoint-*.partial")):
            path.unlink(missing_ok=True)
