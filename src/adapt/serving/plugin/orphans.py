"""Ends a process of the server whose parent is gone.

A server is several processes. When the one that takes requests is killed, the engine gets no signal, and held its memory (2.4 GB for the bundled
base on a CPU) until somebody found it.
"""

import multiprocessing
import os
import threading

from .refusal import log


def end_with_parent() -> None:
    """In a process that `multiprocessing` started: end it as soon as its parent has ended, however that came. Elsewhere, do nothing."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()  # its end is seen by a pipe that it held open, so nothing polls
        log.error("the process that started this one is gone: this one ends too")
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
