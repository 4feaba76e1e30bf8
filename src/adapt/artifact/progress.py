"""Progress of long work: a bar on a terminal, silence elsewhere. Always on standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

FORCED = "ADAPT_PROGRESS"
"""Environment variable: `1` draws bars although standard error is a pipe that ends in a terminal, `0` never draws."""


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more are done."""

    def note(self, text: str) -> None:
        """Show a few words beside the bar, such as the loss."""


class Progress(Protocol):
    """Where a room reports how far it is."""

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        """A context manager that yields a Task of `total` steps; None when the number is not known."""


class QuietProgress:
    """Shows nothing."""

    @contextmanager
    def _task(self) -> Iterator[Task]:
        yield _QuietTask()

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        return self._task()


class BarProgress:
    """Bars drawn by tqdm on standard error."""

    @contextmanager
    def _task(self, label: str, total: int | None) -> Iterator[Task]:
        from tqdm import tqdm

        with tqdm(total=total, desc=label, file=sys.stderr, leave=True, dynamic_ncols=True, mininterval=0.2) as bar:
            yield _BarTask(bar)

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        return self._task(label, total)


class _QuietTask:
    def advance(self, steps: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        pass


class _BarTask:
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self, steps: int = 1) -> None:
        self._bar.update(steps)

    def note(self, text: str) -> None:
        self._bar.set_postfix_str(text, refresh=False)


def progress_for_terminal() -> Progress:
    """Bars when a person is watching, else silence."""
    forced = os.environ.get(FORCED)
    shown = sys.stderr.isatty() if forced is None else forced == "1"
    return BarProgress() if shown else QuietProgress()
