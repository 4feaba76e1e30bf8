"""How often memory is tidied while a stage makes many objects: Python's search for cyclic garbage, and what the C library gives back.

Rows on their way through a stage hold no cycles, so nothing is found among them; with Python's own thresholds the search takes a tenth of the
processor time of a data-set stage. Arrays of some megabytes come and go by the thousand; glibc gives the memory of each back to the system, which
clears it anew for the next, a twentieth of the processor time.
"""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_THRESHOLDS = (100_000, 20, 20)
"""New objects before a search among them, and searches of each generation before one of the next."""
_TRIM, _MMAP = (-1, 1 << 27), (-3, 1 << 25)
"""glibc's parameters: free bytes at the end of the heap that are kept; the size from which an array gets pages of its own, at its greatest."""


@contextmanager
def tidied_rarely() -> Iterator[None]:
    """Search seldom inside the block (or the function that it decorates), and as before behind it; freed memory is kept from now on."""
    _keep_freed_memory()
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@cache
def _keep_freed_memory() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in (_TRIM, _MMAP):
            mallopt(parameter, value)
