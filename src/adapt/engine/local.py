"""The engine that is no engine: tasks run where they are asked for."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Inline:
    """Runs every task where it is asked for."""

    workers = 1
    sees_files = True

    def map(self, operator: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """`operator` of every task, in order, one at a time."""
        return map(operator, tasks)
