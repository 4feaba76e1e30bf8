"""Runs an operator where something else goes along with every task: what the caller knows of it stays here, and meets the result again."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

from adapt.engine.engine import Engine

C = TypeVar("C")
T = TypeVar("T")
R = TypeVar("R")


def map_beside(engine: Engine, operator: Callable[[T], R], steps: Iterable[tuple[C, T | None]]) -> Iterator[tuple[C, R | None]]:
    """What stays here and the result of every step, in order; a step without a task has none. A bounded number is under way."""
    waiting: deque[C] = deque()

    def tasks() -> Iterator[T | None]:
        for context, task in steps:
            waiting.append(context)
            yield task

    for result in engine.map(partial(_unless_none, operator), tasks()):
        yield waiting.popleft(), result


def _unless_none(operator: Callable[[T], R], task: T | None) -> R | None:
    return None if task is None else operator(task)
