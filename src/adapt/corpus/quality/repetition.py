"""Measures how much of a text is repeated n-grams (Gopher: Rae et al. 2021, table A1).

Of spaced text n-grams of n words are counted, of text without spaces those of 2n characters, two characters making about one word. An n-gram that
occurs once repeats nothing and counts as 0, unlike in the paper, where it would fail every short text. A longer n-gram can only be repeated where the
shorter one is, so each size looks at fewer places than the one before.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIZES = (2, 3, 4, 5, 10)
_WIDTH = 2
"""Characters that stand for one word."""
_LONG = 350
"""From this many units on, arrays are faster than dictionaries."""
_MOST = 1 << 18
"""Units that are looked at; the rest of a longer text would cost memory and say the same."""
_FACTOR = 0x9E3779B97F4A7C15
"""Odd, so that it has an inverse; the golden ratio's bits."""


class Repetition(NamedTuple):
    """Shares of the characters in words; named as in `records.Signals`."""

    top_2gram: float = 0.0
    top_3gram: float = 0.0
    top_4gram: float = 0.0
    duplicate_5gram: float = 0.0
    duplicate_10gram: float = 0.0


NO_REPETITION = Repetition()


def repetition_of_words(words: tuple[str, ...]) -> Repetition:
    """Of spaced text, given its words in their order."""
    words = words[:_MOST]
    if len(words) >= _LONG:
        import numpy as np

        numbers = {word: number for number, word in enumerate(dict.fromkeys(words))}
        codes = np.fromiter(map(numbers.__getitem__, words), dtype=np.uint64, count=len(words))
        return _measure_long(codes, 1, np.cumsum([0, *map(len, words)]))
    pairs = list(pairwise(words))
    return _measure(words, 1, pairs, [0, *accumulate(map(len, words))]) if len(set(pairs)) < len(pairs) else NO_REPETITION


def repetition_of_characters(text: str) -> Repetition:
    """Of text without spaces, given its letters and digits."""
    text = text[:_MOST]
    if len(text) - len(set(text)) < _SIZES[0] * _WIDTH:  # a repeated n-gram repeats as many characters
        return NO_REPETITION
    if len(text) >= _LONG:
        import numpy as np

        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
        return _measure_long(codes, _WIDTH, np.arange(len(text) + 1))
    length = _SIZES[0] * _WIDTH
    grams = [text[at : at + length] for at in range(len(text) - length + 1)]
    return _measure(text, _WIDTH, grams, range(len(text) + 1)) if len(set(grams)) < len(grams) else NO_REPETITION


def _measure(units: str | tuple[str, ...], width: int, shortest: Sequence[str | tuple[str, ...]], ends: Sequence[int]) -> Repetition:
    """`width`: units that make one word; `shortest`: the n-grams of two words; `ends`: characters before each unit, and in all."""
    shares = [0.0] * len(_SIZES)
    places: Sequence[int] = range(len(units))
    for number, size in enumerate(_SIZES):
        length = size * width
        last = len(units) - length
        grams = [units[at : at + length] for at in places if at <= last] if number else shortest
        counts = Counter(grams)
        if len(counts) == len(grams):
            break
        repeated = [(at, gram) for at, gram in zip(places, grams, strict=False) if counts[gram] > 1]  # places ascend: those behind the last fall off
        places = [at for at, _ in repeated]
        if size < _SIZES[3]:
            most = max(counts.values())
            covered = most * max(ends[at + length] - ends[at] for at, gram in repeated if counts[gram] == most)
        else:
            covered = sum(ends[end] - ends[begin] for begin, end in _runs(places, length))
        shares[number] = min(1.0, covered / ends[-1])
    return Repetition(*shares)


def _measure_long(units: "NDArray[np.uint64]", width: int, ends: "NDArray[np.int64]") -> Repetition:
    """As `_measure`, on arrays: n-grams are compared by a polynomial hash modulo 2^64, taken from sums over the text."""
    import numpy as np

    powers, inverses = (np.cumprod(np.full(len(units), factor, dtype=np.uint64)) for factor in (_FACTOR, pow(_FACTOR, -1, 1 << 64)))
    sums = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(units * powers)))
    shares = [0.0] * len(_SIZES)
    places = np.arange(len(units))
    for number, size in enumerate(_SIZES):
        length = size * width
        places = places[places + length <= len(units)]
        keys = (sums[places + length] - sums[places]) * inverses[places]
        ordered = np.sort(keys)
        bounds = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
        counts = np.diff(bounds)
        repeated = ordered[bounds[:-1][counts > 1]]
        if not len(repeated):
            break
        found = np.minimum(np.searchsorted(repeated, keys), len(repeated) - 1)
        again = repeated[found] == keys
        places, found = places[again], found[again]
        if size < _SIZES[3]:
            often = counts[counts > 1][found]
            commonest = places[often == often.max()]
            covered = int(often.max()) * int((ends[commonest + length] - ends[commonest]).max())
        else:
            gaps = np.flatnonzero(places[1:] > places[:-1] + length)
            begins, behind = places[np.concatenate(([0], gaps + 1))], places[np.concatenate((gaps, [len(places) - 1]))] + length
            covered = int((ends[behind] - ends[begins]).sum())
        shares[number] = min(1.0, covered / int(ends[-1]))
    return Repetition(*shares)


def _runs(places: Iterable[int], length: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each stretch that n-grams at the places cover; the places ascend."""
    begin = end = 0
    for at in places:
        if at > end:
            yield begin, end
            begin = at
        end = at + length
    yield begin, end
