"""Who does what in a training of one or several processes. One process, which does everything, is the plain case.

Enters: the forward passes of a step, as the plan has them. Leaves: each process's own, and the results of all as if one process had run them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.optim import Optimizer

from adapt.adapter.optimisers import restore_state, state_tensors

if TYPE_CHECKING:
    from adapt.adapter.methods.attached import Attached
    from adapt.adapter.objectives.objective import Loss
    from adapt.adapter.passes import Outcome


class _Measured(Protocol):
    @property
    def length(self) -> int: ...


ItemT = TypeVar("ItemT", bound=_Measured)


class Share(NamedTuple):
    """A forward pass of this process."""

    number: int
    """Which pass of the step it is, counted over all processes."""
    items: Sequence[Any]
    counts: bool
    """False for a pass that only keeps this process in step with the others; its loss is multiplied by zero."""


class Ranks:
    """One process."""

    number = 0
    size = 1
    in_step = False
    """Whether all take part in each forward pass, so that an idle process repeats one."""

    @property
    def first(self) -> bool:
        """Whether this process writes what the training leaves."""
        return self.number == 0

    def device(self, kind: str) -> str:
        """The device of this process, given its type."""
        return kind

    def loads_on(self, kind: str) -> str:
        """Where the base is loaded; `shard` brings it to the device."""
        return self.device(kind)

    def shard(self, attached: Attached) -> bool:
        """Divide a model between the processes where they do that. `attached.weights` are then what this process has of them."""
        return False

    def gather(self, attached: Attached) -> None:
        """Undo `shard` for the trained weights, on the CPU, so that they can be saved."""

    def deal(self, passes: Sequence[Sequence[ItemT]], *, divisible: bool) -> list[Sequence[ItemT]]:
        """`passes` so that every process has as many, pass i being that of process i modulo their number; an empty one is nobody's.

        What is left over after whole rounds is cut into even parts where it is `divisible`.
        """
        whole = len(passes) // self.size * self.size
        rest = passes[whole:]
        if not rest:
            return list(passes)
        if not divisible:
            return [*passes, *([()] * (self.size - len(rest)))]
        return [*passes[:whole], *even_parts([item for items in rest for item in items], self.size)]

    def own(self, passes: Sequence[Sequence[Any]]) -> Iterator[Share]:
        """The passes of this process."""
        for number in range(self.number, len(passes), self.size):
            if passes[number] or self.in_step:
                yield Share(number, passes[number] or passes[0], counts=bool(passes[number]))

    def take_over(self, model: Module, weights: dict[str, Parameter], optimiser: Optimizer, max_norm: float) -> None:
        """Divide the work of an optimiser between the processes where they do that; `max_norm` is what gradients will be clipped to.

        `weights` are then what this process has of them.
        """

    def forward(self, compute: Callable[[], Loss]) -> Loss:
        """The loss of a forward pass."""
        return compute()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of this process's pass to the weights, or to what the processes hold of them together."""
        torch.autograd.backward(loss)

    def joined(self, found: Outcome, numbers: Sequence[int], passes: int) -> Outcome:
        """The outcome of all `passes`, given that of this process's own, which are `numbers`."""
        return found

    def sum_gradients(self, weights: Mapping[str, Parameter]) -> None:
        """Add up the gradients of all processes."""

    def clip(self, weights: Mapping[str, Parameter], max_norm: float) -> float:
        """Scale gradients to a norm of at most `max_norm`, taken over all of them; returns what it was."""
        return float(torch.nn.utils.clip_grad_norm_(weights.values(), max_norm))

    def whole(self, name: str, tensor: Tensor) -> Tensor:
        """All of what each process has a part of, on the CPU: weight `name`, or something of its shape."""
        return tensor.cpu()

    def part(self, name: str, tensor: Tensor) -> Tensor:
        """What this process has of what `whole` gave."""
        return tensor

    def optimiser_state(self, optimiser: Optimizer, weights: Mapping[str, Parameter]) -> dict[str, Tensor]:
        """What the optimiser remembers of each weight, of which each process may still have a part."""
        return state_tensors(optimiser, weights)

    def restore_optimiser(self, optimiser: Optimizer, weights: Mapping[str, Parameter], tensors: Mapping[str, Tensor]) -> None:
        """Take back what `optimiser_state` gave, once the weights are restored."""
        restore_state(optimiser, weights, tensors)

    def agree(self, what: str, value: int) -> None:
        """Raise InputError when the processes do not have the same `value`."""


ALONE = Ranks()


def even_parts(items: Sequence[ItemT], count: int) -> list[Sequence[ItemT]]:
    """`items` in `count` parts of about as many tokens, each in the order of `items`; parts are empty where there are too few."""
    parts: list[list[int]] = [[] for _ in range(count)]
    tokens = [0] * count
    for position in sorted(range(len(items)), key=lambda position: (-items[position].length, position)):
        lightest = tokens.index(min(tokens))
        parts[lightest].append(position)
        tokens[lightest] += items[position].length
    return [[items[position] for position in sorted(part)] for part in parts]
