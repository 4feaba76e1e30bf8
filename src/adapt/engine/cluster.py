"""Tasks on a Ray cluster: the operators of the engine of this machine, run on the machines of a cluster. Needs the extra `ray`."""

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

from adapt.engine.engine import Engine
from adapt.engine.window import in_order
from adapt.errors import InputError, WorkspaceError
from adapt.spec.engine import RayEngine

T = TypeVar("T")
R = TypeVar("R")

_SECONDS = 10


class Cluster:
    """A cluster that this process is connected to."""

    sees_files = False

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self.workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

    def map(self, operator: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """`operator` of every task, in order. Ray runs a task again on another machine when its own is lost; WorkspaceError when that fails too."""
        ray = self._ray
        shared = ray.put(operator)
        run = ray.remote(_run)

        def submit(task: T) -> Any:
            return run.remote(shared, task)

        def result(reference: Any) -> R:
            try:
                found: R = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
            except ray.exceptions.RayError as error:
                lost = f"the cluster lost a task: {type(error).__name__}"
                raise WorkspaceError(lost, hint="see the logs of the cluster; `ray status` shows its machines") from None
            return found

        yield from in_order(tasks, submit, result, workers=self.workers)


@contextmanager
def opened(spec: RayEngine) -> Iterator[Engine]:
    """The engine on the cluster at `spec.address`. Raises InputError when Ray is not installed or no cluster answers."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray: Any = import_module("ray")
    except ImportError:
        raise InputError("engine.kind is ray, and Ray is not installed", hint="pip install 'adapt-build[ray]'") from None
    connected = ray.is_initialized()
    if not connected:
        try:
            _knock(spec.address)
            ray.init(address=spec.address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
            hint = "start one with `ray start --head`, give engine.address, or use engine.kind: local"
            raise InputError(f"no Ray cluster answers at {spec.address!r}: {problem}", hint=hint) from None
    try:
        yield Cluster(ray)
    finally:
        if not connected:
            ray.shutdown()


def _knock(address: str) -> None:
    """Raises OSError when nothing listens at a named address: Ray itself would go on trying for minutes."""
    named = os.environ.get("RAY_ADDRESS", "auto") if address == "auto" else address
    host, _, port = named.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()


def _run(operator: Callable[[T], R], task: T) -> R:
    return operator(task)
