"""Whether trainings that a build runs side by side fit the memory together, each of which fits alone.

Enters: trainings with their forecasts. Leaves: nothing, or an error that says how many at a time would fit. What stays in memory of each (weights of
its own, moments, best weights) adds up; a base that is shared is there once for each of its number formats; what comes and goes within a step
(activations, gradients) is there for one training after the other, but for those that share forward passes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from adapt.advice.forecast import Training
from adapt.advice.memory import GIB, Memory
from adapt.advice.trained import method_of
from adapt.errors import InputError
from adapt.spec.methods import METHODS

_MOST_NAMED = 3


def check_together(trainings: Mapping[str, Training], *, at_once: int) -> None:
    """Raise InputError when those of `trainings`, by stage, that run at once need more than there is: on one base, up to `at_once` of them.

    Which ones come together is for DVC to say, so that those that keep most in memory are taken to.
    """
    by_base: dict[tuple[str, str], dict[str, Training]] = defaultdict(dict)
    for stage, found in trainings.items():
        by_base[found.section.base.digest, found.device.kind][stage] = found
    for group in by_base.values():
        count = min(at_once, len(group))
        members, usable = list(group.values()), min(found.device.usable for found in group.values())
        needed = joint_peak(members, count)
        if count > 1 and needed > usable:
            fewer = next((fewer for fewer in range(count - 1, 1, -1) if joint_peak(members, fewer) <= usable), 1)
            raise _refusal(list(group), count, needed, members[0], fewer)


def joint_peak(trainings: Sequence[Training], count: int) -> float:
    """Bytes that `count` of `trainings` over one base and on one device need at most at once, corrected by past trainings."""
    memories = [found.memory for found in trainings]
    shared: dict[str, float] = defaultdict(float)
    standing = []
    for found, memory in zip(trainings, memories, strict=True):
        own = 0.0
        if METHODS[method_of(found.section.train)].shares_base:
            key = _held_as(found)
            shared[key] = max(shared[key], memory.weights)
        else:
            own = memory.weights
        standing.append(own + memory.trained + memory.optimiser + memory.best)
    alone = [_within_a_step(memory) for memory in memories]
    fused = [passing for found, passing in zip(trainings, alone, strict=True) if _shares_passes(found)]
    bytes_ = max(memory.process for memory in memories) + _largest(shared.values(), count) + _largest(standing, count)
    return (bytes_ + max(*alone, _largest(fused, count), 0.0)) * max(found.correction.memory for found in trainings)


def _within_a_step(memory: Memory) -> float:
    return memory.activations + memory.logits + memory.fragments + memory.gradients + memory.other


def _held_as(found: Training) -> str:
    """Trainings of which this is the same have the base in memory once: as `adapt.adapter.methods.frozen.Base` tells them apart."""
    train = found.section.train
    quantization = [getattr(train, name, None) for name in ("quantization_type", "double_quantization")]
    return f"{train.dtype} {quantization}"


def _shares_passes(found: Training) -> bool:
    """Whether its records stand in forward passes beside those of others: only passes too small to fill the device do."""
    if found.section.train.cotraining != "fused":
        return False
    from adapt.adapter.cotraining import FILLING_TOKENS  # loads torch

    passes = found.workload.passes
    return sum(one.rows for one in passes) < FILLING_TOKENS[found.device.kind] * len(passes)


def _largest(sizes: Iterable[float], count: int) -> float:
    return math.fsum(sorted(sizes, reverse=True)[:count])


def _refusal(stages: Sequence[str], count: int, needed: float, one: Training, fewer: int) -> InputError:
    where = "memory of the GPU" if one.device.kind == "cuda" else "available memory"
    rest = f" and {len(stages) - _MOST_NAMED} more" if len(stages) > _MOST_NAMED else ""
    return InputError(
        f"{', '.join(stages[:_MOST_NAMED])}{rest} train over one base, {count} at once, which is forecast to need {needed / GIB:.1f} GiB, "
        f"and there are {one.device.memory / GIB:.1f} GiB of {where}",
        hint=f"`adapt build --at-once {fewer}` fits; `adapt build --force` builds all the same",
    )
