"""Groups portions of inputs into tasks: enough work to be worth sending, little enough to be held. Depends on the inputs alone, not on the engine."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from adapt.corpus.readers.portion import Portion
from adapt.corpus.recall import Taken

_BYTES = 4 << 20
_LEAST = _BYTES >> 9
"""What the smallest file counts for, since it must be opened too."""
_TAKEN = _BYTES >> 14
"""What an input counts for that is not read, since the former generation knows its pieces."""


class Group(NamedTuple):
    """Portions for one task, with the places of their inputs."""

    portions: tuple[Portion | Taken, ...]
    places: tuple[int, ...]


def grouped(portions: Iterable[tuple[int, Portion | Taken]]) -> Iterator[Group]:
    """Groups of portions, in their order; they come with the places of their inputs."""
    waiting: list[tuple[int, Portion | Taken]] = []
    size = 0
    for place, portion in portions:
        weight = _weight(portion)
        if waiting and size + weight > _BYTES:
            yield as_group(waiting)
            waiting, size = [], 0
        waiting.append((place, portion))
        size += weight
    if waiting:
        yield as_group(waiting)


def _weight(portion: Portion | Taken) -> int:
    if isinstance(portion, Taken):
        return _TAKEN
    if portion.end is None:
        return max(_LEAST, portion.input.size)
    return portion.end - portion.start if portion.digest else _BYTES


def as_group(waiting: Sequence[tuple[int, Portion | Taken]]) -> Group:
    """Portions with the places of their inputs as one group."""
    places, portions = zip(*waiting, strict=True)
    return Group(portions, places)
