"""What is taken over from the former generation as it stands: pieces that follow each other in one of its files, which is linked and not copied.

Enters: portions in the order of the inputs, those that have not changed as places in the former generation. Leaves: groups of portions, each to be
read or copied in one task, or to be linked. A linked file keeps what is no longer used of it, so one of which most is not is copied from, and goes.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from adapt.corpus.cache import Generation
from adapt.corpus.pieces import WAITING
from adapt.corpus.readers.portion import Portion
from adapt.corpus.recall import Taken
from adapt.corpus.spool import Spooled, link_or_copy, read_spool
from adapt.corpus.tasks import Group, as_group, grouped

LEAST_BYTES = 1 << 20
"""Pieces of fewer bytes are copied, so that files and batches do not become many and small."""
_LEAST_SHARE = 0.5
"""A file is linked while so much of it was in use in the former build."""

Placed = tuple[int, Portion | Taken]
"""A portion, and the place of its input."""


class Run(NamedTuple):
    """A group of portions; `linked`: all are taken over, and stand together in one file."""

    group: Group
    linked: bool


def runs_of(portions: Iterable[Placed], former: Generation | None) -> Iterator[Run]:
    """The portions as groups, in their order."""
    for linked, several in groupby(_cut(portions, former), key=lambda each: each[1]):
        if linked:
            yield from (Run(as_group(each), True) for each, _ in several)
        else:
            yield from (Run(group, False) for group in grouped(portion for each, _ in several for portion in each))


def link(run: Group, former: Generation, spool: Path, portions: tuple[tuple[bytes, int, int], ...]) -> Spooled:
    """The pieces of a group that is linked, which are in a file of folder `spool` from now on; `portions` as in `Spooled`."""
    counts: Counter[int] = Counter()
    for place, count in zip(run.places, counts_of(run), strict=True):
        counts[place] += count
    found = former.pieces.file_of(_start(run.portions[0]), sum(counts.values()))
    path = spool / found.path.name
    if not path.exists():
        link_or_copy(found.path, path)
    waiting = sum(batch.column("state").to_pylist().count(WAITING) for batch in read_spool(path, found.spans, ("state",)))
    return Spooled(path, tuple(counts), tuple(counts.values()), waiting, portions, found.spans, found.rows)


def counts_of(group: Group) -> list[int]:
    """How many pieces each portion of a group has that is taken over."""
    return [portion.count for portion in group.portions if isinstance(portion, Taken)]


def _cut(portions: Iterable[Placed], former: Generation | None) -> Iterator[tuple[list[Placed], bool]]:
    """The portions, cut where what is taken over begins, ends, or goes on in another place or file; and whether they are linked."""
    shares = former.pieces.shares() if former else {}
    for taken, several in groupby(portions, key=lambda each: isinstance(each[1], Taken)):
        if not taken or former is None:
            yield from (([each], False) for each in several)
            continue
        for together in _together(several, former):
            found = former.pieces.file_of(_start(together[0][1]), sum(counts_of(as_group(together))))
            yield together, found.size >= LEAST_BYTES and shares[found.path.name] >= _LEAST_SHARE


def _together(several: Iterable[Placed], former: Generation) -> Iterator[list[Placed]]:
    """What is taken over, cut where it does not follow in its file."""
    held: list[Placed] = []
    end = edge = 0
    for place, portion in several:
        assert isinstance(portion, Taken)
        start, last = portion.start, portion.start + portion.count
        while start < last:
            if held and (start != end or start >= edge):
                yield held
                held = []
            if not held:
                edge = former.pieces.end_of_file(start)
            stop = min(last, edge)
            held.append((place, Taken(start, stop - start, portion.key)))
            start = end = stop
    if held:
        yield held


def _start(portion: Portion | Taken) -> int:
    assert isinstance(portion, Taken)
    return portion.start
