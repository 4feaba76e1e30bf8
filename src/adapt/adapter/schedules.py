"""The course of the learning rate: warm-up to its peak, then one of the schedules."""

from __future__ import annotations

import math

from adapt.spec.common_train import CommonTrain

DECAY_RATIO = 0.2
"""Share of the steps in which `wsd` falls, where the spec names none."""


def learning_rate(step: int, steps: int, settings: CommonTrain) -> float:
    """Rate of step `step` of `steps`, counted from 1: linear warm-up, then the schedule, which is at zero after the last step."""
    warmup = round(settings.warmup_ratio * steps)
    if step <= warmup:
        return settings.peak_rate * step / warmup
    if settings.schedule == "constant":
        return settings.peak_rate
    if settings.schedule == "wsd":
        falling = max(1, min(steps - warmup, round((settings.decay_ratio or DECAY_RATIO) * steps)))
        return settings.peak_rate * min(1.0, (steps - step + 1) / falling)
    done = (step - 1 - warmup) / (steps - warmup)
    return settings.peak_rate * (1 - done if settings.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2)
