"""Finds lines that repeat across the files of a folder, and drops them.

Lines are known by digests of 8 bytes, and counted with the Misra-Gries summary (Misra & Gries 1982), merged as in Agarwal et al. 2012, whose
memory does not grow with the folder: it keeps `_CAPACITY` counters, and a line's true count exceeds the kept one by at most the number of times that
all were decremented. As long as nothing was decremented the counts are exact; otherwise the candidates are counted again. Headings, code,
table rows and very short lines are never boilerplate: "Symptoms" or "Yes." may repeat for good reasons.
"""

import math
import re
from collections.abc import Collection, Iterable, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING

from adapt.corpus.cleaning.fences import in_fences
from adapt.spec.corpus import Boilerplate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CAPACITY = 1 << 17
_EXEMPT = re.compile(r"\s*(#{1,6}\s|\||    |\t)")
_TELLING = re.compile(r"[\W_]*+(?:[^\W_]++[\W_]++){2}[^\W_]|(?:[^\u3400-\u9fff]*+[\u3400-\u9fff]){6}")
"""At least three words, or six Han characters."""


class LineCounts:
    """In how many of a folder's texts each line occurs."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        import numpy as np

        self._capacity = capacity
        self._lines: NDArray[np.uint64] = np.empty(0, np.uint64)
        self._counts: NDArray[np.int64] = np.empty(0, np.int64)
        self._decrements = 0
        self._texts = 0
        self._waiting: list[NDArray[np.uint64]] = []
        self._held = 0

    def add(self, lines: "NDArray[np.uint64]", texts: int) -> None:
        """Count the lines of `texts` texts: the digests of each text in turn, as `line_digests` gives them."""
        self._texts += texts
        self._waiting.append(lines)
        self._held += len(lines)
        if self._held >= self._capacity:
            self._merge()

    def repeated(self, rule: Boilerplate, again: Iterable["NDArray[np.uint64]"]) -> "NDArray[np.uint64]":
        """Sorted digests of the lines that the rule calls boilerplate; `again` are the digests that were added, read only if need be."""
        import numpy as np

        self._merge()
        required = max(rule.min_files, math.ceil(rule.min_share * self._texts - 1e-9))
        candidates = self._lines[self._counts + self._decrements >= required]
        if not self._decrements or not len(candidates):
            return candidates
        exact = np.zeros(len(candidates), np.int64)
        for lines in again:
            places = np.searchsorted(candidates, lines).clip(max=len(candidates) - 1)
            exact += np.bincount(places[candidates[places] == lines], minlength=len(candidates))
        return candidates[exact >= required]

    def _merge(self) -> None:
        """Add what waits to the summary, and cut it to its capacity."""
        import numpy as np

        lines, counts = np.unique(np.concatenate([self._lines[:0], *self._waiting]), return_counts=True)
        self._waiting, self._held = [], 0
        self._lines, places = np.unique(np.concatenate([self._lines, lines]), return_inverse=True)
        self._counts = np.bincount(places, np.concatenate([self._counts, counts]), len(self._lines)).astype(np.int64)
        if len(self._lines) > self._capacity:
            cut = int(np.partition(self._counts, -self._capacity - 1)[-self._capacity - 1])
            kept = self._counts > cut
            self._lines, self._counts = self._lines[kept], self._counts[kept] - cut
            self._decrements += cut


def line_digests(text: str) -> list[int]:
    """Digests of the lines of a text that may be boilerplate, each once, sorted."""
    return sorted({_digest(line) for _, line in _candidates(text)})


def drop_lines(text: str, repeated: Collection[int]) -> tuple[str, int]:
    """The text without the lines whose digests are given, and how many went."""
    if not repeated:
        return text, 0
    gone = {at for at, line in _candidates(text) if _digest(line) in repeated}
    return "\n".join(line for at, line in enumerate(text.split("\n")) if at not in gone), len(gone)


def _candidates(text: str) -> Iterator[tuple[int, str]]:
    lines = text.split("\n")
    for at, (line, code) in enumerate(zip(lines, in_fences(lines), strict=True)):
        if line and not code and not _EXEMPT.match(line) and _TELLING.match(line):
            yield at, line


def _digest(line: str) -> int:
    return int.from_bytes(blake2b(" ".join(line.split()).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
