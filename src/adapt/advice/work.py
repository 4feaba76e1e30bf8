"""How much a training computes, in floating-point operations: with a machine's rate, its time.

Kaplan et al. 2020 (arXiv:2001.08361) count two operations for each weight and token forward, and twice that backward; a frozen weight has the
gradient of its input alone. Attention and the output head, which answers alone go through, are counted besides.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapt.advice.shape import ModelShape
from adapt.advice.trained import method_of, thawed_share, trained_parameters
from adapt.advice.workload import Pass, Workload
from adapt.base.calibration import Calibration
from adapt.spec.common_train import CommonTrain
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS
from adapt.spec.objectives import OBJECTIVES

ACHIEVED = 0.4
"""Share of the rates of a calibration that training reaches where no past training tells: the rest is attention, softmax and copies."""


@dataclass(frozen=True)
class Work:
    """Operations of a whole training."""

    training: float
    """In optimiser steps."""
    validation: float
    """In measurements of the validation loss."""
    steps: int


def forecast_work(shape: ModelShape, train: CommonTrain, lora: LoraSpec, workload: Workload) -> Work | None:
    """Operations of a training that is not stopped early; None for objectives that answer questions while they train, since nobody knows how long."""
    objective = OBJECTIVES[train.objective.kind]
    if objective.family == "rollout":
        return None
    trained = trained_parameters(shape, train, lora)
    forward = sum(_forward(shape, one) for one in workload.passes) * workload.scale
    backward = sum(_backward(shape, train, one, trained) for one in workload.passes) * workload.scale
    again = forward if train.gradient_checkpointing else 0.0
    sides = 2.0 if objective.family == "preference" else 1.0  # both answers of a pair
    steps = max(1, round(workload.steps * train.epochs))
    share = workload.validation_tokens / max(1, workload.tokens)
    measurements = 2 + (steps - 1) // train.evaluate_every_steps
    return Work(sides * train.epochs * (forward + backward + again), sides * measurements * share * forward, steps)


def _forward(shape: ModelShape, one: Pass) -> float:
    attention = 4 * shape.layers * shape.query * one.squares
    return one.rows * 2 * shape.active_parameters + attention + one.answers * 2 * shape.vocabulary * shape.hidden


def _backward(shape: ModelShape, train: CommonTrain, one: Pass, trained: int) -> float:
    """Gradients of activations cost what the forward pass cost, attention twice that; those of weights as much again for each trained weight."""
    attention = 8 * shape.layers * shape.query * one.squares
    own = METHODS[method_of(train)].keeps == "inputs of what is trained"
    weights = thawed_share(shape, train) * shape.active_parameters if own else trained
    through = (thawed_share(shape, train) if own else 1.0) * (one.rows * 2 * shape.active_parameters + attention)
    head = 2 * shape.vocabulary * shape.hidden * (2 if method_of(train) in ("full", "galore") else 1)
    update = 0.0 if own else 4 * trained  # the adapter's own products, forward and to its input
    return through + one.rows * (2 * weights + update) + one.answers * head


def training_rate(calibration: Calibration, dtype: str) -> float:
    """Operations per second of training in `dtype` on a device of which nothing but its calibration is known."""
    return ACHIEVED * calibration.rates["float32" if dtype == "float32" else "bfloat16"].step
