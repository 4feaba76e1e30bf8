"""Puts batches of pieces together: those that the former generation knows, and those that are cleaned now.

A batch of which little has changed gives a few pieces to clean, and cleaning and measuring few costs nearly as much as many. So the new pieces of
several batches are made at once, and then woven into each.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from adapt.corpus.cache import former_generation
from adapt.corpus.pieces import WAITING, moved
from adapt.corpus.recall import Known, Raw
from adapt.corpus.settings import Settings
from adapt.corpus.spool import BATCH_BYTES, BATCH_ROWS
from adapt.corpus.store import as_keys

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_BATCHES = 32
"""So many batches wait for each other at most."""


class _Waiting(NamedTuple):
    """A batch whose new pieces are not made yet."""

    rows: "NDArray[np.int64]"
    """Where each piece stands in the former generation; -1: nowhere."""
    lines: "NDArray[np.int64]"
    """The line that each is now, 0 for one that did not move, -1 for one that was read, whose place is among `locators`."""
    locators: list[str]
    fresh: int
    """How many pieces are to be made."""


class Assembly:
    """Batches on their way to where they are written."""

    def __init__(self, settings: Settings, make: Callable[[Sequence[Raw]], "pa.RecordBatch"], write: Callable[["pa.RecordBatch"], object]) -> None:
        """`make` cleans raw pieces, and gives a row for each."""
        self._former = former_generation(settings.former).pieces if settings.former else None
        self._make, self._write = make, write
        self._waiting: list[_Waiting] = []
        self._fresh: list[Raw] = []
        self._bytes = 0
        self.waits = 0
        """How many of the pieces that were written wait to be finished."""

    def add(self, held: Sequence[Raw | Known]) -> None:
        """Take what a batch is to be made of."""
        import numpy as np

        raws = [entry for entry in held if isinstance(entry, Raw)]
        sought = self._former.find(as_keys([raw.key for raw in raws])) if self._former else np.full(len(raws), -1)
        fresh = [raw for raw, row in zip(raws, sought.tolist(), strict=True) if row < 0]
        if len(raws) == len(held):
            rows, lines = sought, np.full(len(raws), -1)
        else:
            each = iter(sought.tolist())
            rows = np.concatenate([entry.rows if isinstance(entry, Known) else np.array([next(each)]) for entry in held])
            lines = np.concatenate([entry.lines() if isinstance(entry, Known) else np.full(1, -1) for entry in held])
        locators = [raw.piece.locator for raw in raws] if len(fresh) < len(rows) else []
        self._waiting.append(_Waiting(rows, lines, locators, len(fresh)))
        self._fresh += fresh
        self._bytes += sum(raw.size for raw in fresh)
        if len(self._fresh) >= BATCH_ROWS or self._bytes >= BATCH_BYTES or len(self._waiting) >= _BATCHES:
            self.flush()

    def flush(self) -> None:
        """Make and write what waits."""
        if not self._waiting:
            return
        made, start = self._make(self._fresh), 0
        for waiting in self._waiting:
            batch = self._whole(waiting, made.slice(start, waiting.fresh))
            start += waiting.fresh
            self.waits += batch.column("state").to_pylist().count(WAITING)
            self._write(batch)
        self._waiting, self._fresh, self._bytes = [], [], 0

    def _whole(self, waiting: _Waiting, fresh: "pa.RecordBatch") -> "pa.RecordBatch":
        if len(fresh) == len(waiting.rows) or self._former is None:
            return fresh
        batch = self._former.woven(waiting.rows, fresh)
        return moved(batch, _locators(waiting, batch.column("locator"))) if waiting.lines.any() else batch


def _locators(waiting: _Waiting, former: "pa.Array") -> "pa.Array":
    """The places of pieces in their sources as they are now; `former` are those of an earlier build."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    lines, read = waiting.lines, pa.array(waiting.locators, pa.string())
    numbers = pa.array(lines)
    known = pc.if_else(pc.greater(numbers, 0), pc.binary_join_element_wise("line", numbers.cast(pa.string()), " "), former)
    places = np.arange(len(lines))
    places[lines < 0] = len(lines) + np.arange(len(read))
    return pa.concat_arrays([known, read]).take(pa.array(places)) if len(read) else known
