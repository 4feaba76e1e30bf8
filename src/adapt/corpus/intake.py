"""The first pass: every input becomes pieces in files on disk, read and cleaned by the engine, or taken over from the former build."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

from adapt.artifact.progress import Progress
from adapt.corpus.readers.portion import Portion
from adapt.corpus.recall import Taken, input_key, portion_key
from adapt.corpus.settings import Job
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.spool import Spooled, SpoolWriter
from adapt.corpus.steps import ReadResult, ReadTask, read
from adapt.corpus.tasks import Group, grouped
from adapt.engine.beside import map_beside
from adapt.engine.engine import Engine
from adapt.engine.local import Inline

_SMALL = 1 << 20
"""Bytes to read that are not worth the start of a worker."""


def read_all(job: Job, inputs: Sequence[RawInput], progress: Progress) -> list[Spooled]:
    """Files with the pieces of all inputs, in their order. Notes the keys of the inputs in the cache."""
    keys = [_key(job, entry) for entry in inputs]
    if job.cache:
        job.cache.inputs = keys
    former = job.cache.former if job.cache else None
    taken = [former.input(key) if former and key else None for key in keys]
    found = [entry if places is None else Taken(*places) for entry, places in zip(inputs, taken, strict=True)]
    settings = job.settings if job.engine.sees_files else replace(job.settings, former=None)
    spools: list[Spooled] = []
    with progress.task("corpus: reading", len(inputs)) as task:
        for (path, group), result in map_beside(_engine(job, found), partial(read, settings=settings), _steps(job, found)):
            spools.append(_spooled(job, path, group, result or read(ReadTask(group.portions, path), settings=job.settings)))
            task.advance(len(spools[-1].inputs))
    return spools


def _steps(job: Job, found: Sequence[RawInput | Taken]) -> Iterator[tuple[tuple[Path, Group], ReadTask | None]]:
    """Groups and the files of their pieces. Where workers do not see the former generation, what is taken from it is no task for them."""
    corpus, here = job.settings.corpus, job.engine.sees_files
    number = 0
    for taken, run in groupby(enumerate(found), key=lambda entry: not here and isinstance(entry[1], Taken)):
        for group in grouped(run, corpus.sources, corpus.limits):
            path = job.spool / f"pieces-{number:06d}.arrow"
            number += 1
            yield (path, group), None if taken else ReadTask(group.portions, path if here else None)


def _engine(job: Job, found: Sequence[RawInput | Taken]) -> Engine:
    unknown = [entry for entry in found if isinstance(entry, RawInput)]
    small = sum(entry.size for entry in unknown) < _SMALL and all(entry.path for entry in unknown)
    return Inline() if small and job.engine.sees_files else job.engine


def _key(job: Job, entry: RawInput) -> bytes:
    """Key of an input with its content; empty when it cannot be known without reading it."""
    content = job.listings.content(entry, job.settings.corpus.limits) if job.cache else None
    return blake2b(input_key(entry, job.settings) + content.encode(), digest_size=16).digest() if content else b""


def _spooled(job: Job, path: Path, group: Group, result: ReadResult) -> Spooled:
    if result.batches:
        with SpoolWriter(path) as spool:
            for batch in result.batches:
                spool.write(batch)
    counts: Counter[int] = Counter()
    for place, count in zip(group.places, result.counts, strict=True):
        counts[place] += count
    return Spooled(path, tuple(counts), tuple(counts.values()), result.waiting, tuple(_portions(job, group, result.counts)))


def _portions(job: Job, group: Group, counts: Sequence[int]) -> Iterator[tuple[bytes, int, int]]:
    """Keys of the portions of a group that have one, and of those in inputs that are taken over, with first row and number of pieces."""
    former = job.cache.former if job.cache else None
    start = 0
    for portion, count in zip(group.portions, counts, strict=True):
        if isinstance(portion, Portion):
            if key := portion_key(portion, job.settings):
                yield key, start, count
        elif former and portion.count > 1:
            yield from ((key, start + first, number) for key, first, number in former.inside(portion.start, portion.count))
        start += count
