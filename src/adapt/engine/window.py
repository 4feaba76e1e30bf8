"""Keeps a bounded number of tasks under way, and gives their results in the order of the tasks."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
F = TypeVar("F")
R = TypeVar("R")

AHEAD = 2
"""Tasks under way for each worker: one that runs, and one that waits so that nobody is idle between two."""


def in_order(tasks: Iterable[T], submit: Callable[[T], F], result: Callable[[F], R], *, workers: int) -> Iterator[R]:
    """`result` of what `submit` made of each task. A task is asked for only when there is room for it; the oldest result is waited for."""
    waiting: deque[F] = deque()
    for task in tasks:
        waiting.append(submit(task))
        if len(waiting) >= AHEAD * workers:
            yield result(waiting.popleft())
    while waiting:
        yield result(waiting.popleft())
