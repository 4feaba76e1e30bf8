"""One adapter in training: its model, records, order, optimiser, random stream, schedule, validation, best weights and checkpoint.

Enters: a model with something trainable on it, an objective, items, settings. Leaves: the best weights and how the training went. Every step seeds
the random numbers by itself, so a lane's results do not depend on what runs between its steps.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from adapt.adapter.average import Average
from adapt.adapter.batches import Plan, Step
from adapt.adapter.checkpoint import Checkpoint, State
from adapt.adapter.curves import Point
from adapt.adapter.distributed.ranks import ALONE, Ranks
from adapt.adapter.kernels import compile_layers
from adapt.adapter.methods.attached import Attached
from adapt.adapter.objectives.objective import Item, Objective
from adapt.adapter.optimisers import set_rate
from adapt.adapter.passes import Outcome, Passes
from adapt.adapter.schedules import learning_rate
from adapt.adapter.snapshot import restore_snapshot, take_snapshot
from adapt.errors import InputError
from adapt.spec.common_train import CommonTrain

_OWN = "objective:"
"""Before the names of the objective's own weights."""
_SMALLEST_SCALE = 1.0
"""Loss scale at which half precision is given up."""


class Lane:
    """One training in progress, step by step: `start`, `turn` until it says that it is over, `finish`."""

    def __init__(
        self,
        attached: Attached,
        objective: Objective[Any],
        items: Sequence[Item],
        validation: Sequence[Item],
        settings: CommonTrain,
        *,
        seed: int,
        checkpoint: Checkpoint,
        ranks: Ranks = ALONE,
    ) -> None:
        self.attached, self.objective, self.model, self.causal = attached, objective, attached.model, attached.causal
        self.items, self.validation = items, validation
        self.settings, self.seed, self.checkpoint, self.ranks = settings, seed, checkpoint, ranks
        self.device = self.causal.device.type
        self.weights: dict[str, Parameter] = {**attached.weights, **{f"{_OWN}{name}": weight for name, weight in objective.weights().items()}}
        self.optimiser = attached.optimiser(settings, self.weights)
        self.scaler = torch.amp.GradScaler(self.device, enabled=settings.dtype == "float16")
        self._passes = Passes(attached, objective, settings, ranks)
        self.head, self.packed = self._passes.head, self._passes.packed
        self.plan = Plan(
            [item.length for item in items],
            epochs=settings.epochs,
            batch_tokens=settings.batch_tokens,
            accumulate=settings.accumulate,
            seed=seed,
            padded=not self.packed,
        )
        attached.begin(self.plan.steps)
        ranks.take_over(self.model, self.weights, self.optimiser, settings.max_grad_norm)
        self.average = None if settings.ema_decay is None else Average(self.weights, settings.ema_decay)
        self.state = State()
        self.best: dict[str, Tensor] = {}
        self.resumed_at = 0
        self.seconds = 0.0
        self.seconds_tokens = 0
        """Time in steps of this process, and the tokens of those steps; a training that was resumed counts from there."""
        self.watch: Callable[[int, float], None] | None = None
        """Told step and validation loss of every measurement after the first; an InputError that it raises ends the training."""
        self.tell: Callable[[Sequence[Point]], None] | None = None
        """Told the points of the curves as they come, a step's all at once, and those of the checkpoint after a resume."""
        self.note: Callable[[str], None] = lambda text: None
        """Told in a few words what goes on, when that is something else than steps."""
        self._told = 0
        self._steps: Iterator[Step] = iter(())

    def start(self) -> None:
        """Go on from the checkpoint if there is one, else measure what there is before the first step."""
        if self.settings.gradient_checkpointing:
            self.causal.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if self.settings.compile:
            compile_layers(self.causal)
        for items in (self.items, self.validation):
            self.objective.prepare(self.attached, items)
        if not self._resume():
            self.measure()
        self._steps = self.plan.after(self.state.step)
        self._pass_on()

    def turn(self) -> bool:
        """Take one step, and measure and save where one of these is due; False when there was none to take.

        Raises InputError when a loss is not finite.
        """
        started, before = time.perf_counter(), self.state.tokens
        passes = self.next_passes()
        if passes is None:
            return False
        for _ in range(self.objective.repeats):
            loss = self.gradients_of(passes)
            self.update([item for items in passes for item in items])
        self.count(time.perf_counter() - started, self.state.tokens - before)
        self.end_step(loss)
        return True

    def next_passes(self) -> list[Sequence[Item]] | None:
        """Begin a step: what its forward passes train on, or None when the training is over."""
        if self.settings.patience is not None and self.state.worse >= self.settings.patience:
            return None
        step = next(self._steps, None)
        if step is None:
            return None
        self.begin_step()
        return self.items_of(step)

    def count(self, seconds: float, tokens: int) -> None:
        """Add to the time that steps of this process took."""
        self.seconds += seconds
        self.seconds_tokens += tokens

    def finish(self) -> None:
        """Set the weights that are kept: the best ones, or the last where nothing was measured."""
        if not self.best:
            self.best, self.state.best_step = self._copy_averaged(), self.state.step
        self.load_weights(self.best)

    def begin_step(self) -> None:
        """Count a step, seed its random numbers and set its learning rate."""
        self.model.train()
        self.state.step += 1
        seed = self.step_seed
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % (1 << 32))
        set_rate(self.optimiser, learning_rate(self.state.step, self.plan.steps, self.settings))

    def gradients_of(self, passes: Sequence[Sequence[Item]]) -> float:
        """Leave the gradient of the mean loss of a step's forward passes on the weights; returns that loss."""
        found = self._passes.train(passes, self.scaler, seed=self.step_seed)
        self.ranks.sum_gradients(self.weights)
        return self.take_in(found, passes)

    def take_in(self, found: Outcome, passes: Sequence[Sequence[Item]]) -> float:
        """Note how the forward passes of a step went; returns their loss. Raises InputError when it is not finite."""
        for loss, items in zip(found.losses, passes, strict=True):
            self.check_finite(loss, items, "loss")
        self.state.tokens += found.tokens
        self.state.trained += found.weight
        self._draw("train", found.figures)
        return found.loss

    def items_of(self, step: Step) -> list[Sequence[Item]]:
        """What each forward pass of a step trains on."""
        passes: list[Sequence[Item]] = [[self.items[position] for position in micro] for micro in step]
        planned = [item for items in passes for item in items]
        expanded = self.objective.expand(self.attached, planned, seed=self.step_seed)
        return self._passes.dealt(passes if expanded is planned else self._passes.cut(expanded))

    def update(self, items: Sequence[Item]) -> None:
        """Take the optimiser's step with the gradients of a step's `items`."""
        self.scaler.unscale_(self.optimiser)
        norm = self.ranks.clip(self.weights, self.settings.max_grad_norm)
        if not self.scaler.is_enabled() or self.scaler.get_scale() < _SMALLEST_SCALE:
            self.check_finite(norm, items, "gradient")
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.attached.stepped(self.state.step)
        self.optimiser.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.take()

    def end_step(self, loss: float) -> None:
        """Note the loss of the step, and measure and save where one of these is due."""
        self.state.train_loss = loss
        rate = learning_rate(self.state.step, self.plan.steps, self.settings)
        self.state.points += [(self.state.step, "train/loss", loss), (self.state.step, "learning_rate", rate)]
        last = self.state.step == self.plan.steps
        if self.state.step % self.settings.evaluate_every_steps == 0 or last:
            self.measure()
        if self.state.step % self.settings.checkpoint_every_steps == 0 and not last:
            self._save()
        self._pass_on()

    def check_finite(self, value: float, items: Sequence[Item], what: str) -> None:
        """Raise InputError, naming the records, when `value` is not a number or infinite."""
        if math.isfinite(value):
            return
        ids = [item.record_id[:12] for item in items]
        raise InputError(
            f"training stopped at step {self.state.step}: the {what} is {value}, with records {', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}",
            hint="lower train.learning_rate or train.max_grad_norm, or set train.dtype to bfloat16 or float32; look at those records",
        )

    def measure(self) -> None:
        """Validation loss of the weights, or of their average where there is one; the best are kept. The first is only for comparison."""
        if not self.validation:
            return
        self.note(f"{self.summary()}, measuring the validation loss" if self.state.step else "measuring the validation loss of the base")
        self.model.eval()
        with self._averaged():
            found = self._passes.measure(self.validation)
        loss = found.loss
        self._draw("validation", found.figures)
        if not math.isfinite(loss):
            raise InputError(f"training stopped at step {self.state.step}: the validation loss is {loss}", hint="lower train.learning_rate")
        state = self.state
        state.points.append((state.step, "validation/loss", loss))
        if state.step == 0:
            state.first_loss = loss
        elif not self.attached.is_settled(state.step):
            pass
        elif state.best_loss is None or loss < state.best_loss:
            state.best_loss, state.best_step, state.worse = loss, state.step, 0
            self.best = self._copy_averaged()
        else:
            state.worse += 1
        if state.step and self.watch is not None:
            self.watch(state.step, loss)

    def summary(self) -> str:
        """A few words on how it goes."""
        best = "" if self.state.best_loss is None else f", validation {self.state.best_loss:.3f}"
        speed = f", {self.seconds_tokens / self.seconds:,.0f} tokens/s" if self.seconds else ""
        return f"loss {self.state.train_loss:.3f}{best}{speed}"

    def copy_weights(self) -> dict[str, Tensor]:
        """The trainable weights as they are now, on the CPU."""
        return {name: weight.detach().cpu().clone() for name, weight in self.weights.items()}

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Set the trainable weights."""
        for name, weight in self.weights.items():
            weight.data.copy_(tensors[name])

    @property
    def step_seed(self) -> int:
        """What the random numbers of the step begin with."""
        return self.seed * 1_000_003 + self.state.step

    def _averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self.average is None else self.average.in_place()

    def _copy_averaged(self) -> dict[str, Tensor]:
        with self._averaged():
            return self.copy_weights()

    def _draw(self, split: str, figures: Mapping[str, float]) -> None:
        self.state.points += [(self.state.step, f"{split}/{name}", value) for name, value in figures.items()]

    def _pass_on(self) -> None:
        if self.tell is not None:
            self.tell(self.state.points[self._told :])
        self._told = len(self.state.points)

    def _save(self) -> None:
        self.state.scaler = self.scaler.state_dict()
        snapshot = take_snapshot(self)
        if self.ranks.first:
            self.checkpoint.write(self.state, snapshot)

    def _resume(self) -> bool:
        found = self.checkpoint.read()
        self.ranks.agree("the step of their checkpoint", -1 if found is None else found[0].step)
        if found is None:
            return False
        self.state, tensors = found
        self.resumed_at = self.state.step
        restore_snapshot(self, tensors)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(self.state.scaler)
        return True
