"""Progress of long work, on standard error: a bar on a terminal, elsewhere a line from time to time.

Nobody waits for more than half a minute without a sign of life: a heartbeat says what is at work and for how long,
whether the work reports steps, is a single long call, or another program.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

FORCED = "ADAPT_PROGRESS"
"""Environment variable: `1` draws bars although standard error is a pipe that ends in a terminal, `0` writes lines, `none` stays silent."""
SILENCE_SECONDS = 25.0
"""After so long without a line comes one; with the second between two looks that is below half a minute."""
_LOOK_SECONDS = 1.0
Note = str | Callable[[], str]
"""A few words, or what gives them when they are to be shown."""


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, steps: int = 1) -> None:
        """Say that `steps` more are done."""

    def skip(self, steps: int) -> None:
        """Say that `steps` were done before, which tells nothing of the time that others take."""

    def note(self, text: Note) -> None:
        """Show a few words beside the count, such as the loss."""


class Progress(Protocol):
    """Where a room reports how far it is."""

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        """A context manager that yields a Task of `total` steps; None when the number is not known."""

    def say(self, text: str) -> None:
        """Write a line: what was chosen, or what begins."""

    def alive(self, label: str) -> AbstractContextManager[None]:
        """While it is open, signs of life come between tasks too, under `label`."""


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


class Heartbeat:
    """Calls `beat` when `every` seconds have passed since the last `touch`."""

    def __init__(self, beat: Callable[[], None], *, every: float = SILENCE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._beat, self._every, self._clock = beat, every, clock
        self._last = clock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def touch(self) -> None:
        """Note that something was shown."""
        self._last = self._clock()

    def look(self) -> None:
        """Beat if it is time."""
        if self._clock() - self._last >= self._every:
            self.touch()
            self._beat()

    def start(self) -> None:
        """Look once a second from a thread, which ends with the process."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self.look()


class QuietProgress:
    """Shows nothing."""

    @contextmanager
    def _task(self) -> Iterator[Task]:
        yield _QuietTask()

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        return self._task()

    def say(self, text: str) -> None:
        pass

    @contextmanager
    def alive(self, label: str) -> Iterator[None]:
        yield


class LineProgress:
    """Lines for a log: one whenever nothing else was said for a while. Threads may report at the same time."""

    def __init__(self, write: Callable[[str], None] | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`write` is given lines without their end; by default they go to standard error."""
        self._write, self._clock = write or _write_line, clock
        self._tasks: list[_LineTask] = []
        self.heartbeat = Heartbeat(self._beat, clock=clock)

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        return self._task(label, total)

    @contextmanager
    def _task(self, label: str, total: int | None) -> Iterator[Task]:
        self.heartbeat.start()
        task = _LineTask(label, total, self._clock)
        self._tasks.append(task)
        try:
            yield task
        finally:
            self._tasks.remove(task)

    def say(self, text: str) -> None:
        self._write(text)
        self.heartbeat.touch()

    @contextmanager
    def alive(self, label: str) -> Iterator[None]:
        with self._task(label, None):
            yield

    def _beat(self) -> None:
        tasks = self._tasks[-1:]
        if tasks:
            self._write(str(tasks[0]))


class BarProgress:
    """Bars drawn by tqdm on standard error, whose clocks go on while nothing is reported."""

    def __init__(self) -> None:
        self._bars: list[Any] = []
        self.heartbeat = Heartbeat(self._beat, every=_LOOK_SECONDS)

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        return self._task(label, total)

    @contextmanager
    def _task(self, label: str, total: int | None) -> Iterator[Task]:
        from tqdm import tqdm

        form = None if total is not None else "{desc}: {elapsed}{postfix}"
        options: dict[str, Any] = {"leave": True, "dynamic_ncols": True, "mininterval": 0.2, "bar_format": form}
        with tqdm(total=total, desc=label, file=sys.stderr, **options) as bar:
            task = _BarTask(bar)
            self._bars.append(task)
            self.heartbeat.start()
            try:
                yield task
            finally:
                self._bars.remove(task)

    def say(self, text: str) -> None:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)

    @contextmanager
    def alive(self, label: str) -> Iterator[None]:
        yield

    def _beat(self) -> None:
        for task in tuple(self._bars):
            task.refresh()


class _QuietTask:
    def advance(self, steps: int = 1) -> None:
        pass

    def skip(self, steps: int) -> None:
        pass

    def note(self, text: Note) -> None:
        pass


class _LineTask:
    def __init__(self, label: str, total: int | None, clock: Callable[[], float]) -> None:
        self._label, self._total, self._clock = label, total, clock
        self._began = clock()
        self._steps = 0
        self._skipped = 0
        self._note: Note = ""

    def advance(self, steps: int = 1) -> None:
        self._steps += steps

    def skip(self, steps: int) -> None:
        self._skipped += steps
        self._began = self._clock()

    def note(self, text: Note) -> None:
        self._note = text

    def __str__(self) -> str:
        seconds, count = self._clock() - self._began, self._skipped + self._steps
        note = self._note if isinstance(self._note, str) else self._note()
        parts = [note, f"{duration(seconds)} so far"]
        if self._total is not None:
            parts.insert(0, f"{count} of {self._total}")
            if self._steps and count < self._total:
                parts.append(f"about {duration(seconds / self._steps * (self._total - count))} left")
        elif count:
            parts.insert(0, f"{count} done")
        return f"{self._label}: {', '.join(part for part in parts if part)}"


class _BarTask:
    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._note: Note = ""

    def advance(self, steps: int = 1) -> None:
        self._bar.update(steps)

    def skip(self, steps: int) -> None:
        self._bar.initial = steps  # tqdm leaves these out of its rate
        self._bar.update(steps)

    def note(self, text: Note) -> None:
        self._note = text
        if isinstance(text, str):
            self._bar.set_postfix_str(text, refresh=False)

    def refresh(self) -> None:
        if not isinstance(self._note, str):
            self._bar.set_postfix_str(self._note(), refresh=False)
        self._bar.refresh()


def _write_line(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def progress_for_terminal() -> Progress:
    """Bars when a person is watching, else lines."""
    forced = os.environ.get(FORCED, "1" if sys.stderr.isatty() else "0")
    if forced == "none":
        return QuietProgress()
    return BarProgress() if forced == "1" else LineProgress()


def progress_kind(progress: Progress) -> str:
    """The value of FORCED that makes a child process show what this one does."""
    return "1" if isinstance(progress, BarProgress) else "0" if isinstance(progress, LineProgress) else "none"
