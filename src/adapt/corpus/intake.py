"""The first pass: every input becomes pieces in files on disk, read and cleaned by the engine, or taken over from the former build."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

from adapt.artifact.progress import Progress
from adapt.corpus.linking import counts_of, link, runs_of
from adapt.corpus.readers.portion import Portion, divide
from adapt.corpus.recall import Taken, input_key, portion_key
from adapt.corpus.settings import Job
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.spool import Spooled, SpoolWriter
from adapt.corpus.steps import ReadResult, ReadTask, read
from adapt.corpus.tasks import Group
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
            if path is None:
                assert former is not None
                spools.append(link(group, former, job.spool, _keys(job, group, counts_of(group))))
            else:
                spools.append(_spooled(job, path, group, result or read(ReadTask(group.portions, path), settings=job.settings)))
            task.advance(len(spools[-1].inputs))
    return spools


def _steps(job: Job, found: Sequence[RawInput | Taken]) -> Iterator[tuple[tuple[Path | None, Group], ReadTask | None]]:
    """Groups and the files of their pieces, none for those that are linked. What workers do not see of the former generation is no task for them."""
    here, former = job.engine.sees_files, job.cache.former if job.cache else None
    number = former.next_file if former else 0
    for taken, portions in groupby(_divided(job, found), key=lambda entry: not here and isinstance(entry[1], Taken)):
        for group, linked in runs_of(portions, former):
            path = None if linked else job.spool / f"pieces-{number:06d}.arrow"
            number += not linked
            yield (path, group), None if taken or linked else ReadTask(group.portions, path if here else None)


def _divided(job: Job, found: Sequence[RawInput | Taken]) -> Iterator[tuple[int, Portion | Taken]]:
    """The portions of the inputs with their places; those that the former generation knows by their bytes are taken over."""
    corpus, former = job.settings.corpus, job.cache.former if job.cache else None
    for place, entry in enumerate(found):
        if isinstance(entry, Taken):
            yield place, entry
            continue
        for portion in divide(entry, corpus.sources[entry.source], corpus.limits):
            key = portion_key(portion, job.settings)
            known = former.input(key) if former and key else None
            yield place, portion if known is None else Taken(*known, key)


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
    return Spooled(path, tuple(counts), tuple(counts.values()), result.waiting, _keys(job, group, result.counts))


def _keys(job: Job, group: Group, counts: Sequence[int]) -> tuple[tuple[bytes, int, int], ...]:
    """Keys of the portions of a group that have one, and of those in inputs that are taken over, with first row and number of pieces."""
    former = job.cache.former if job.cache else None
    keys: list[tuple[bytes, int, int]] = []
    start = 0
    for portion, count in zip(group.portions, counts, strict=True):
        key = portion.key if isinstance(portion, Taken) else portion_key(portion, job.settings)
        if key:
            keys.append((key, start, count))
        elif former and isinstance(portion, Taken) and portion.count > 1:
            keys += [(inner, start + first, number) for inner, first, number in former.inside(portion.start, portion.count)]
        start += count
    return tuple(keys)
