"""How often Python looks for cyclic garbage while many small objects are made.

Rows on their way through a stage hold no cycles, so nothing is found among them; with Python's own thresholds the search takes a tenth of the
processor time of a data-set stage.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = (100_000, 20, 20)
"""New objects before a search among them, and searches of each generation before one of the next."""


@contextmanager
def collected_rarely() -> Iterator[None]:
    """Search seldom inside the block (or the function that it decorates), and as before behind it."""
    before = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
