"""The second pass: waiting pieces become documents, and everything is handed on in the order of the inputs. Writes what the cache is to keep."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from adapt.artifact.progress import Progress
from adapt.corpus.cache import write_index
from adapt.corpus.pieces import DOCUMENT, WAITING, moved, to_batch
from adapt.corpus.repeats import only_repeated, repeated_lines
from adapt.corpus.report import Tally
from adapt.corpus.settings import Job
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.spool import BATCH_ROWS, Spooled, SpoolWriter, joined, read_spool
from adapt.corpus.steps import finish
from adapt.corpus.store import StoreIndex, keys_of
from adapt.engine.beside import map_beside
from adapt.engine.local import Inline

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class _Batch(NamedTuple):
    """A batch of pieces, and what is known of those that wait."""

    pieces: "pa.RecordBatch"
    owners: "NDArray[np.int64]"
    """The input of each."""
    waiting: "NDArray[np.int64]"
    """Which of them wait."""
    asked: "pa.RecordBatch | None"
    """Those, with the lines of theirs that repeat."""
    rows: "NDArray[np.int64]"
    """Where each of those stands in the former generation, finished; -1: nowhere."""


def finish_all(
    job: Job, inputs: Sequence[RawInput], spools: Sequence[Spooled], keeper: "Keeper", tally: Tally, progress: Progress
) -> Iterator[tuple["pa.RecordBatch", "pa.RecordBatch"]]:
    """Batches of finished pieces in the order of the inputs, each counted, and the documents among them."""
    import numpy as np
    import pyarrow as pa

    sources = np.array([entry.source for entry in inputs], np.int64)
    waits = sum(spool.waiting for spool in spools)
    engine = job.engine if waits > BATCH_ROWS else Inline()
    with progress.task("corpus: finishing", sum(sum(spool.counts) for spool in spools)) as task:
        for known, result in map_beside(engine, partial(finish, settings=job.settings), _steps(job, inputs, spools, keeper)):
            batch = _whole(known, result, job, keeper)
            tally.add(batch, sources[known.owners])
            made = batch.column("state").to_numpy() == DOCUMENT
            yield batch, batch if made.all() else batch.filter(pa.array(made))
            task.advance(len(batch))


def _steps(job: Job, inputs: Sequence[RawInput], spools: Sequence[Spooled], keeper: "Keeper") -> Iterator[tuple[_Batch, "pa.RecordBatch | None"]]:
    import numpy as np

    numbers: dict[str, int] = {}
    folders = np.array([numbers.setdefault(entry.folder, len(numbers)) for entry in inputs], np.int64)
    rule = job.settings.corpus.boilerplate
    repeated = repeated_lines(spools, folders, rule) if rule else {}
    for spool in spools:
        keeper.add_file(spool)
        owners, start = np.repeat(np.array(spool.inputs, np.int64), spool.counts), 0
        for batch in read_spool(spool.path, spool.spans):
            keeper.add_pieces(batch)
            known = _known(batch, owners[start : start + len(batch)], folders, repeated, job)
            start += len(batch)
            yield known, _task(known)


def _known(
    batch: "pa.RecordBatch", owners: "NDArray[np.int64]", folders: "NDArray[np.int64]", repeated: Mapping[int, "NDArray[np.uint64]"], job: Job
) -> _Batch:
    import numpy as np
    import pyarrow as pa

    waiting = np.flatnonzero(batch.column("state").to_numpy() == WAITING)
    if not len(waiting):
        return _Batch(batch, owners, waiting, None, waiting)
    asked = only_repeated(batch.take(pa.array(waiting)), folders[owners[waiting]], repeated)
    former = job.cache.former if job.cache else None
    return _Batch(batch, owners, waiting, asked, former.finished.find(keys_of(asked)) if former else np.full(len(waiting), -1))


def _task(known: _Batch) -> "pa.RecordBatch | None":
    import pyarrow as pa

    return known.asked.filter(pa.array(known.rows < 0)) if known.asked is not None and (known.rows < 0).any() else None


def _whole(known: _Batch, result: "pa.RecordBatch | None", job: Job, keeper: "Keeper") -> "pa.RecordBatch":
    """The batch with every waiting piece finished, in its order."""
    import numpy as np
    import pyarrow as pa

    if known.asked is None:
        return known.pieces
    fresh = to_batch([]) if result is None else result
    former = job.cache.former if job.cache else None
    if len(fresh) == len(known.rows) or former is None:
        finished = fresh
    else:
        finished = moved(former.finished.woven(known.rows, fresh), known.asked.column("locator"))
    keeper.add_finished(finished)
    if len(finished) == len(known.pieces):
        return finished
    others = np.flatnonzero(known.pieces.column("state").to_numpy() != WAITING)
    order = np.argsort(np.concatenate([known.waiting, others]))
    return joined([finished, known.pieces.take(pa.array(others))]).take(pa.array(order))


class Keeper:
    """Writes what a cache keeps beside the pieces; without a cache, nothing. A context manager, after which the index can be written."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pieces, self._finished = StoreIndex(), StoreIndex()
        self._writer = SpoolWriter(job.spool / "finished.arrow") if job.cache else None
        self._finished.add_file("finished.arrow")

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.__exit__(None, None, None)

    def add_file(self, spool: Spooled) -> None:
        """The pieces that follow stand in this file."""
        if self._job.cache:
            self._pieces.add_file(spool.path.name, spool.spans, spool.rows)

    def add_pieces(self, batch: "pa.RecordBatch") -> None:
        """The next batch of the file."""
        if self._job.cache:
            self._pieces.add(batch)

    def add_finished(self, batch: "pa.RecordBatch") -> None:
        """A batch of texts that waited."""
        if self._writer:
            self._writer.write(batch)
            self._finished.add(batch)

    def write_index(self, spools: Sequence[Spooled]) -> None:
        """Note where the pieces of each input stand."""
        if self._job.cache is None:
            return
        entries: dict[bytes, tuple[int, int]] = {}
        portions: dict[bytes, tuple[int, int]] = {}
        start = 0
        for spool in spools:
            portions |= {key: (start + first, count) for key, first, count in spool.portions}
            for place, count in zip(spool.inputs, spool.counts, strict=True):
                key = self._job.cache.inputs[place]
                if key:  # an input that was cut has its pieces in several files, one after the other
                    first, before = entries.get(key, (start, 0))
                    entries[key] = (first, before + count)
                start += count
        former = self._job.cache.former
        linked = {spool.path.name: former.checksums[spool.path.name] for spool in spools if spool.spans and former}
        write_index(self._job.spool, self._pieces, self._finished, ((key, *places) for key, places in (portions | entries).items()), linked)
