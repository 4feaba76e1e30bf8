"""Everything of an unfinished training that is a tensor, by name: what a checkpoint holds beside the state of `adapt.adapter.checkpoint`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from adapt.adapter.lane import Lane


def take_snapshot(lane: Lane) -> dict[str, Tensor]:
    """Weights, the best of them, their average, and what method and optimiser remember, on the CPU; every process of a training calls it."""
    parts: dict[str, Mapping[str, Tensor]] = {
        "weights": lane.copy_weights(),
        "best": lane.best,
        "average": {} if lane.average is None else lane.average.tensors,
        "method": lane.attached.state(),
        "optimiser": lane.ranks.optimiser_state(lane.optimiser, lane.weights),
    }
    return {f"{part}/{name}": lane.ranks.whole(_weight_of(name), tensor) for part, tensors in parts.items() for name, tensor in tensors.items()}


def restore_snapshot(lane: Lane, tensors: Mapping[str, Tensor]) -> None:
    """Set `lane` to what `take_snapshot` gave, bit for bit."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = lane.ranks.part(_weight_of(name), tensor)
    lane.load_weights(parts["weights"])
    lane.best = parts.get("best", {})
    if lane.average is not None:
        lane.average.restore(parts["average"])
    lane.attached.restore(parts.get("method", {}))
    lane.ranks.restore_optimiser(lane.optimiser, lane.weights, parts.get("optimiser", {}))


def _weight_of(name: str) -> str:
    """The weight that a tensor belongs to; optimisers put what it is before the weight's name, and a slash."""
    return name.rpartition("/")[2]
