"""Many bodies of text side by side in one array of characters, which arrays measure at a tenth of the cost of one text after the other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from adapt.corpus.quality.characters import classes_of, keys_of, mixed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FACTOR = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse; the golden ratio's bits."""


class Runs(NamedTuple):
    """Stretches of characters, in order; none crosses the end of a body."""

    begins: "NDArray[np.int64]"
    ends: "NDArray[np.int64]"
    bounds: "NDArray[np.int64]"
    """Number of the first run of each body, and of all at the end."""

    @property
    def counts(self) -> "NDArray[np.int64]":
        """Runs of each body."""
        return self.bounds[1:] - self.bounds[:-1]

    @property
    def owners(self) -> "NDArray[np.int64]":
        """The body of each run."""
        import numpy as np

        return np.repeat(np.arange(len(self.bounds) - 1), self.counts)

    def sums(self, values: "NDArray[np.generic]") -> "NDArray[np.int64]":
        """The sum over each body of a value for each run."""
        import numpy as np

        before = np.concatenate(([0], np.cumsum(values, dtype=np.int64)))
        return before[self.bounds[1:]] - before[self.bounds[:-1]]

    def only(self, chosen: "NDArray[np.bool_]") -> "Runs":
        """The chosen runs."""
        import numpy as np

        before = np.concatenate(([0], np.cumsum(chosen, dtype=np.int64)))
        return Runs(self.begins[chosen], self.ends[chosen], before[self.bounds])


class Page:
    """Bodies one after the other, each followed by a line feed."""

    def __init__(self, bodies: Sequence[str]) -> None:
        """One body at least; any of them may be empty."""
        import numpy as np

        self.text = "\n".join(bodies) + "\n"
        self.codes = np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
        self.classes = classes_of(self.codes)
        self.lengths = np.fromiter(map(len, bodies), np.int64, len(bodies))
        self.ends = np.cumsum(self.lengths + 1) - 1
        self.starts = self.ends - self.lengths
        self._sums, self._inverses = prefix_sums(keys_of(self.codes))

    def __len__(self) -> int:
        return len(self.lengths)

    def runs(self, inside: "NDArray[np.bool_]") -> Runs:
        """The longest stretches of characters that are inside; no line feed is."""
        import numpy as np

        edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
        edges = np.concatenate(([0], edges)) if inside[0] else edges
        begins = edges[::2]
        return Runs(begins, edges[1::2], np.searchsorted(begins, np.append(self.starts, len(self.codes))))

    def counts(self, inside: "NDArray[np.bool_]") -> "NDArray[np.int64]":
        """How many characters of each body are inside."""
        import numpy as np

        return np.add.reduceat(inside, self.starts, dtype=np.int64)

    def tallies(self, places: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """How many of the places, which ascend, are in each body."""
        import numpy as np

        return np.searchsorted(places, self.ends) - np.searchsorted(places, self.starts)

    def owners(self, places: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """The body that each place is in."""
        import numpy as np

        return np.searchsorted(self.ends, places)

    def hashes(self, begins: "NDArray[np.int64]", ends: "NDArray[np.int64]") -> "NDArray[np.uint64]":
        """64 bits for each stretch, equal where two differ in nothing but case: a polynomial modulo 2^64, the difference of two sums.

        Mixed, so that a polynomial over such keys does not take `ab c` for `ac b`.
        """
        return mixed((self._sums[ends] - self._sums[begins]) * self._inverses[begins])


def prefix_sums(keys: "NDArray[np.uint64]") -> tuple["NDArray[np.uint64]", "NDArray[np.uint64]"]:
    """Sums of keys times rising powers of a factor, before each key and in all; and what brings a difference of two back to the power 0."""
    import numpy as np

    powers, inverses = _powers(len(keys))
    sums = np.empty(len(keys) + 1, np.uint64)
    sums[0] = 0
    np.cumsum(keys * powers, out=sums[1:])
    return sums, inverses


_known: "list[NDArray[np.uint64]]" = []


def _powers(count: int) -> "tuple[NDArray[np.uint64], NDArray[np.uint64]]":
    """Powers of the factor and of its inverse, kept as far as they were ever asked for, but for texts of extraordinary length."""
    import numpy as np

    if not _known or len(_known[0]) < count:
        size = max(count, 1 << 16)
        made = [np.full(size, factor, np.uint64) for factor in (_FACTOR, pow(_FACTOR, -1, 1 << 64))]
        for factors in made:
            factors[0] = 1
            np.cumprod(factors, out=factors)
        if size > 1 << 20:
            return made[0], made[1]
        _known[:] = made
    return _known[0][:count], _known[1][:count]
