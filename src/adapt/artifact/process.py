"""Ties a stage's life to the process that started it, so that a killed build leaves nobody writing."""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.5
BUILDER = "ADAPT_BUILDER"
"""Environment variable: process id of the DVC that builds; its stages end when it has gone."""


def die_with_parent() -> None:
    """End this process when its parent ends: through the kernel on Linux, by watching the parent elsewhere.

    A parent that was killed before this was called is noticed by the process id in `BUILDER`.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    builder = os.environ.get(BUILDER, "")
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


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
