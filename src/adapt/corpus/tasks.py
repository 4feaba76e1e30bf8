"""Groups portions of inputs into tasks: enough work to be worth sending, little enough to be held. Depends on the inputs alone, not on the engine."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from adapt.corpus.readers.portion import Portion, divide
from adapt.corpus.recall import Taken
from adapt.corpus.sources.inputs import RawInput
from adapt.spec.corpus import Limits, Source

_BYTES = 4 << 20
_LEAST = _BYTES >> 9
"""What the smallest file counts for, since it must be opened too."""
_TAKEN = _BYTES >> 14
"""What an input counts for that is not read, since the former generation knows its pieces."""


class Group(NamedTuple):
    """Portions for one task, with the places of their inputs."""

    portions: tuple[Portion | Taken, ...]
    places: tuple[int, ...]


def grouped(inputs: Iterable[tuple[int, RawInput | Taken]], sources: tuple[Source, ...], limits: Limits) -> Iterator[Group]:
    """Groups of portions, in the order of the inputs, which come with their places."""
    waiting: list[tuple[int, Portion | Taken]] = []
    size = 0
    for place, found in inputs:
        for portion in [found] if isinstance(found, Taken) else divide(found, sources[found.source], limits):
            weight = _weight(portion)
            if waiting and size + weight > _BYTES:
                yield _group(waiting)
                waiting, size = [], 0
            waiting.append((place, portion))
            size += weight
    if waiting:
        yield _group(waiting)


def _weight(portion: Portion | Taken) -> int:
    if isinstance(portion, Taken):
        return _TAKEN
    if portion.end is None:
        return max(_LEAST, portion.input.size)
    return portion.end - portion.start if portion.digest else _BYTES


def _group(waiting: list[tuple[int, Portion | Taken]]) -> Group:
    places, portions = zip(*waiting, strict=True)
    return Group(portions, places)
