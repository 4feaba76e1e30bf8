"""Worker processes on this machine.

They are started anew (`spawn`), so that no lock or thread of this process is copied into them, and only when there is a second task.
They end with the block that opened them, at once when it ends with an exception, and with this process when it is killed.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any, TypeVar

from adapt.artifact.process import die_with_parent
from adapt.engine.engine import Engine
from adapt.engine.local import Inline
from adapt.engine.window import in_order
from adapt.errors import WorkspaceError
from adapt.spec.engine import LocalEngine

T = TypeVar("T")
R = TypeVar("R")

_ALONE = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
"""Workers share the cores already; libraries that start threads of their own would only get in each other's way."""


class Pool:
    """Worker processes that start with the second task."""

    sees_files = True

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def map(self, operator: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        """`operator` of every task, in order. Raises WorkspaceError when a worker is killed, as for want of memory."""
        waiting = iter(tasks)
        first = list(islice(waiting, 2))
        if len(first) < 2:
            yield from map(operator, first)
            return
        executor = self._started()

        def submit(task: T) -> Future[R]:
            return executor.submit(operator, task)

        try:
            yield from in_order(chain(first, waiting), submit, Future.result, workers=self.workers)
        except BrokenProcessPool:
            hint = "often the memory is used up: give engine.workers a smaller number in params.yaml, then build again"
            raise WorkspaceError("a worker process ended before its task was done", hint=hint) from None

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            context = get_context("spawn")
            self._executor = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),))
        return self._executor

    def close(self) -> None:
        """Let the workers go when they have finished."""
        if self._executor is not None:
            self._executor.shutdown()

    def kill(self) -> None:
        """End the workers now; what they were doing is lost."""
        if self._executor is not None:
            processes: list[Any] = list((self._executor._processes or {}).values())
            self._executor.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()


@contextmanager
def opened(spec: LocalEngine) -> Iterator[Engine]:
    """The engine for this machine; `auto` means one worker for each core that this process may use."""
    workers = _cores() if spec.workers == "auto" else spec.workers
    if workers == 1:
        yield Inline()
        return
    pool = Pool(workers)
    try:
        yield pool
    except BaseException:
        pool.kill()
        raise
    pool.close()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin(parent: int) -> None:
    """What a worker does first. An interrupt from the keyboard reaches all processes of a terminal; here it is the parent's to act upon."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    if os.getppid() != parent:  # it died while this process was starting
        os._exit(1)
    for name, value in _ALONE.items():
        os.environ.setdefault(name, value)
