"""Chance that follows from content: the same record, method and seed draw the same, wherever and beside whatever else the record stands."""

import random
from collections.abc import Sequence
from typing import TypeVar

from adapt.artifact.digest import digest_text

T = TypeVar("T")


class Chance:
    """A row of draws that `parts` fix. Only `random()` of the standard library is drawn from, whose numbers no version of Python changes."""

    def __init__(self, *parts: str) -> None:
        self._random = random.Random(int(digest_text(*parts), 16)).random

    def share(self) -> float:
        """A number from 0 to 1, 1 excluded."""
        return self._random()

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound`, `bound` excluded."""
        return int(self._random() * bound)

    def sample(self, values: Sequence[T], count: int) -> list[T]:
        """`count` different members of `values` at most, in the order that they were drawn."""
        left = list(values)
        for place in range(min(count, len(left))):
            other = place + self.below(len(left) - place)
            left[place], left[other] = left[other], left[place]
        return left[:count]
