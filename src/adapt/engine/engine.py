"""What an engine is, and how one is opened. The bytes that a stage makes do not depend on which one it was."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Protocol, TypeVar

from adapt.errors import InputError
from adapt.spec.engine import EngineSpec

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Somewhere to run operators."""

    @property
    def workers(self) -> int:
        """How many tasks run at once."""

    @property
    def sees_files(self) -> bool:
        """Whether the workers see the files that this process writes; those of a cluster may stand elsewhere."""

    def map(self, operator: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """`operator` of every task, in the order of the tasks, with a bounded number under way.

        `operator` is a pure function that can be pickled: of a module, or a `functools.partial` of one. What it raises is raised here.
        """


@contextmanager
def open_engine(spec: EngineSpec) -> Iterator[Engine]:
    """The engine that `spec` asks for; its workers end with the block.

    Raises InputError for less than one worker, and where there is no cluster, or no Ray, for an engine that needs one.
    """
    if spec.kind == "local" and spec.workers != "auto" and spec.workers < 1:
        raise InputError(f"engine.workers: {spec.workers} workers can do nothing", hint="give at least 1, or 'auto'")
    # By name: a stage's code is what its imports reach, and how tasks are spread over processes is no part of what it makes.
    module = import_module("adapt.engine.pool" if spec.kind == "local" else "adapt.engine.cluster")
    with module.opened(spec) as engine:
        yield engine
