"""The training loop: steps over batches, validation, early stopping, checkpoints.

Enters: a model with something trainable on it, encoded examples, settings. Leaves: the best weights and how the training went. The loss of
a step is the mean over all its answer tokens, however many forward passes they are spread over.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapt.adapter.batches import Plan, Step, collate
from adapt.adapter.checkpoint import Checkpoint, State
from adapt.adapter.head import find_head, summed_loss
from adapt.adapter.methods.attached import RATE_SHARE, Attached
from adapt.adapter.prompt import Example
from adapt.adapter.scoring import mean_loss, response_logprobs
from adapt.artifact.progress import Progress
from adapt.errors import InputError
from adapt.spec.common_train import CommonTrain

_MOMENT = "optimiser/"
_SMALLEST_SCALE = 1.0
"""Loss scale at which half precision is given up."""


def learning_rate(step: int, steps: int, settings: CommonTrain) -> float:
    """Rate of step `step` of `steps`, counted from 1: linear warm-up, then the schedule, which is at zero after the last step."""
    warmup = round(settings.warmup_ratio * steps)
    if step <= warmup:
        return settings.peak_rate * step / warmup
    done = (step - 1 - warmup) / (steps - warmup)
    shape = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
    return settings.peak_rate * shape[settings.schedule]


class Trainer:
    """One training in progress."""

    def __init__(
        self,
        attached: Attached,
        examples: Sequence[Example],
        validation: Sequence[Example],
        settings: CommonTrain,
        *,
        seed: int,
        checkpoint: Checkpoint,
    ) -> None:
        self.attached, self.model, self.causal = attached, attached.model, attached.causal
        self.examples, self.validation = examples, validation
        self.settings, self.seed, self.checkpoint = settings, seed, checkpoint
        self.device = self.causal.device.type
        self.weights = attached.weights
        self.optimiser = attached.optimiser(settings)
        self.scaler = torch.amp.GradScaler(self.device, enabled=settings.dtype == "float16")
        with attached.computing():
            self.head = find_head(self.causal)
        self.plan = Plan(
            [len(example.ids) for example in examples],
            epochs=settings.epochs,
            batch_tokens=settings.batch_tokens,
            accumulate=settings.accumulate,
            seed=seed,
        )
        attached.begin(self.plan.steps)
        self.state = State()
        self.best: dict[str, Tensor] = {}
        self.resumed_at = 0
        self.seconds = 0.0
        self.seconds_tokens = 0
        """Time in steps of this process, and the tokens of those steps; a training that was resumed counts from there."""

    def run(self, progress: Progress) -> None:
        """Train to the end, from the checkpoint if there is one. Raises InputError when the loss is not finite."""
        if self.settings.gradient_checkpointing:
            self.causal.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        with _reproducible(self.seed), progress.task("training", total=self.plan.steps) as task:
            if not self._resume():
                self._measure()
            task.advance(self.state.step)
            for step in self.plan.after(self.state.step):
                if self._is_over():
                    break
                self._take(step)
                last = self.state.step == self.plan.steps
                if self.state.step % self.settings.evaluate_every_steps == 0 or last:
                    self._measure()
                if self.state.step % self.settings.checkpoint_every_steps == 0 and not last:
                    self._save()
                task.advance()
                task.note(self._summary())
        if not self.best:
            self.best, self.state.best_step = self.attached.copy_weights(), self.state.step

    def stopped_early(self) -> bool:
        return self.state.step < self.plan.steps

    def gradients(self, step: Step) -> float:
        """Leave the gradient of a step's mean loss on the weights; returns that loss (nats per answer token)."""
        batches = [collate([self.examples[position] for position in micro], padding=0, device=self.device) for micro in step]
        total = sum(sum(batch.counts) for batch in batches)
        losses = []
        with self.attached.attention():
            for batch in batches:
                with self.attached.computing():
                    hidden = self.attached.hidden(batch.ids).flatten(0, 1)[batch.rows]
                    loss = summed_loss(self.head, hidden, batch.targets) / total
                torch.autograd.backward(self.scaler.scale(loss))
                losses.append(loss.detach())
        if (penalty := self.attached.penalty()) is not None:
            torch.autograd.backward(self.scaler.scale(penalty))
        found = torch.stack(losses).tolist()
        for loss, micro in zip(found, step, strict=True):
            self._check_finite(loss, micro, "loss")
        self.state.tokens += sum(batch.tokens for batch in batches)
        self.state.answer_tokens += total
        return math.fsum(found)

    def _take(self, step: Step) -> None:
        started, before = time.perf_counter(), self.state.tokens
        self.model.train()
        self.state.step += 1
        torch.manual_seed(self.seed * 1_000_003 + self.state.step)
        rate = learning_rate(self.state.step, self.plan.steps, self.settings)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get(RATE_SHARE, 1.0)
        self.state.train_loss = self.gradients(step)
        self._update(step)
        self.state.points += [(self.state.step, "train/loss", self.state.train_loss), (self.state.step, "learning_rate", rate)]
        self.seconds += time.perf_counter() - started
        self.seconds_tokens += self.state.tokens - before

    def _update(self, step: Step) -> None:
        self.scaler.unscale_(self.optimiser)
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights.values(), self.settings.max_grad_norm))
        if not self.scaler.is_enabled() or self.scaler.get_scale() < _SMALLEST_SCALE:
            self._check_finite(norm, [position for micro in step for position in micro], "gradient")
        self.state.updates += math.isfinite(norm)  # the scaler leaves out the others
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.attached.stepped(self.state.step)
        self.optimiser.zero_grad(set_to_none=True)

    def _check_finite(self, value: float, positions: Sequence[int], what: str) -> None:
        if math.isfinite(value):
            return
        ids = [self.examples[position].record_id[:12] for position in positions]
        raise InputError(
            f"training stopped at step {self.state.step}: the {what} is {value}, with records {', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}",
            hint="lower train.learning_rate or train.max_grad_norm, or set train.dtype to bfloat16 or float32; look at those records",
        )

    def _measure(self) -> None:
        """Validation loss of the weights as they are; the best are kept. The measurement before the first step is only for comparison."""
        if not self.validation:
            return
        self.model.eval()
        with self.attached.computing():
            loss = mean_loss(response_logprobs(self.model, self.validation, batch_tokens=self.settings.batch_tokens))
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
            self.best = self.attached.copy_weights()
        else:
            state.worse += 1

    def _is_over(self) -> bool:
        return self.settings.patience is not None and self.state.worse >= self.settings.patience

    def _summary(self) -> str:
        best = "" if self.state.best_loss is None else f", validation {self.state.best_loss:.3f}"
        return f"loss {self.state.train_loss:.3f}{best}"

    def _save(self) -> None:
        self.state.scaler = self.scaler.state_dict()
        tensors = {f"weights/{name}": weight for name, weight in self.attached.copy_weights().items()}
        tensors |= {f"best/{name}": weight for name, weight in self.best.items()}
        tensors |= {f"method/{name}": tensor.cpu() for name, tensor in self.attached.state().items()}
        for name, weight in self.weights.items():
            tensors |= {f"{_MOMENT}{moment}/{name}": tensor.cpu() for moment, tensor in self.optimiser.state.get(weight, {}).items()}
        self.checkpoint.write(self.state, tensors)

    def _resume(self) -> bool:
        found = self.checkpoint.read()
        if found is None:
            return False
        self.state, tensors = found
        self.resumed_at = self.state.step
        self.attached.load_weights(_below("weights/", tensors))
        self.attached.restore(_below("method/", tensors))
        self.best = _below("best/", tensors)
        moments: dict[str, dict[str, Tensor]] = {name: {} for name in self.weights}
        for key, tensor in _below(_MOMENT, tensors).items():
            moment, _, name = key.partition("/")
            moments[name][moment] = tensor
        kept = {index: moments[name] for index, name in enumerate(self.weights) if moments[name]}
        self.optimiser.load_state_dict({"state": kept, "param_groups": self.optimiser.state_dict()["param_groups"]})
        if self.scaler.is_enabled():
            self.scaler.load_state_dict(self.state.scaler)
        return True


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


@contextmanager
def _reproducible(seed: int) -> Iterator[None]:
    """Seeds, and kernels that give the same bytes each time; what was set before is set again afterwards."""
    random.seed(seed)
    np.random.seed(seed)
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # its setting is a property that stubs do not know
    filling = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # costs a pass over every new tensor, and nothing here reads unset memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filling
