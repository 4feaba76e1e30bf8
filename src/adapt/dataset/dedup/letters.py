"""What is known of letters, looked up for millions of them at a time.

Enters: texts. Leaves: their code points in one array, and for each what a function says of the letter. A function is asked for a page of 256
letters at a time, when one of them is met first: most texts need a few pages, and to ask about all letters at the start would cost more than a small
data set.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

K = TypeVar("K", bound=np.integer[Any])

_PAGE_BITS = 8
_LETTERS = 0x110000
_CHARACTERS_AT_ONCE = 1 << 17


class LetterTable(Generic[K]):
    """A number for every letter. `numbers_of`, asked for those of a page of letters, may not give the greatest number of the kind, which stands
    for what was not asked yet."""

    def __init__(self, numbers_of: Callable[[str], ArrayLike], kind: type[K]) -> None:
        self._numbers_of = numbers_of
        self._numbers: NDArray[K] = np.full(_LETTERS, np.iinfo(kind).max, dtype=kind)
        self._unknown = self._numbers[0]

    def __call__(self, codes: NDArray[np.integer[Any]]) -> NDArray[K]:
        """The number of each code point."""
        found: NDArray[K] = self._numbers[codes]
        unknown = found == self._unknown
        if unknown.any():
            for page in np.unique(codes[unknown] >> _PAGE_BITS).tolist():
                first = page << _PAGE_BITS
                self._numbers[first : first + (1 << _PAGE_BITS)] = self._numbers_of("".join(map(chr, range(first, first + (1 << _PAGE_BITS)))))
            found = self._numbers[codes]
        return found


def read_codes(text: str) -> NDArray[np.intp]:
    """The code points of a text, as numbers that arrays are indexed by."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.intp)


def pieces_of(texts: Sequence[str]) -> Iterator[slice]:
    """Pieces of the texts that fit a processor's cache; one, when there are no texts."""
    begin, held = 0, 0
    for place, total in enumerate(accumulate(map(len, texts)), 1):
        if total - held >= _CHARACTERS_AT_ONCE:
            yield slice(begin, place)
            begin, held = place, total
    if begin < len(texts) or not texts:
        yield slice(begin, len(texts))
