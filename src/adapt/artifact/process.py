"""Ties a stage's life to the process that started it, so that a killed build leaves nobody writing."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.5
BUILDER = "ADAPT_BUILDER"
"""Environment variable: process id of the DVC that builds; its stages end when it has gone."""


def die_with_parent() -> None:
    """End this process when its parent ends: through the kernel on Linux, by watching the parent elsewhere.

    The process in `BUILDER` is watched too: between it and a stage stands the shell that DVC runs commands in, which outlives it.
    """
    parent, builder = os.getppid(), os.environ.get(BUILDER, "")
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        _watch(lambda: os.getppid() == parent)
    if builder.isdigit():
        _watch(partial(lives, int(builder)))
    if os.getppid() != parent or (builder.isdigit() and not lives(int(builder))):
        os.kill(os.getpid(), signal.SIGKILL)


def become_builder() -> None:
    """Say to the stages that this process starts that they belong to it."""
    os.environ[BUILDER] = str(os.getpid())


def lives(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, as another user
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:  # no /proc here
        return True


def _watch(goes_on: Callable[[], bool]) -> None:
    def watch() -> None:
        while goes_on():
            time.sleep(_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
