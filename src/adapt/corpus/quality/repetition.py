"""Measures how much of texts is repeated n-grams (Gopher: Rae et al. 2021, table A1), many texts at once.

Of spaced text n-grams of n words are counted, of text without spaces those of 2n characters, two characters making about one word. An n-gram that
occurs once repeats nothing and counts as 0, unlike in the paper, where it would fail every short text. A longer n-gram can only be repeated where the
shorter one is, so each size looks at fewer places than the one before. N-grams are compared by 64 bits.
"""

from typing import TYPE_CHECKING, NamedTuple

from adapt.corpus.quality.page import prefix_sums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SIZES = (2, 3, 4, 5, 10)
_WIDTH = 2
"""Characters that stand for one word."""
_MOST = 1 << 18
"""Units of one text that are looked at; the rest of a longer one would cost memory and say the same."""
_APART = 0xD6E8FEB86659FD93
"""Odd: n-grams of different texts get different summands."""


class Repetition(NamedTuple):
    """Shares of the characters in words, for each text; named as in `records.Signals`."""

    top_2gram: "NDArray[np.float64]"
    top_3gram: "NDArray[np.float64]"
    top_4gram: "NDArray[np.float64]"
    duplicate_5gram: "NDArray[np.float64]"
    duplicate_10gram: "NDArray[np.float64]"


class Units(NamedTuple):
    """Words, or characters, of some texts in their order."""

    keys: "NDArray[np.uint64]"
    """Equal where the units are."""
    lengths: "NDArray[np.int64]"
    """In characters."""
    counts: "NDArray[np.int64]"
    """Units of each text."""


def repetition_of_words(words: Units) -> Repetition:
    """Of spaced texts, given their words."""
    return _measure(words, 1)


def repetition_of_characters(characters: Units) -> Repetition:
    """Of texts without spaces, given their letters and digits."""
    return _measure(characters, _WIDTH)


def _measure(units: Units, width: int) -> Repetition:
    """`width`: units that make one word."""
    import numpy as np

    units = _cut(units)
    owners = np.repeat(np.arange(len(units.counts)), units.counts)
    ends = np.concatenate(([0], np.cumsum(units.lengths)))
    bounds = np.concatenate(([0], np.cumsum(units.counts)))
    stops = np.repeat(bounds[1:], units.counts)
    totals = np.maximum(ends[bounds[1:]] - ends[bounds[:-1]], 1)
    sums, inverses = prefix_sums(units.keys)
    shares = np.zeros((len(_SIZES), len(units.counts)))
    places = np.arange(len(units.keys))
    for number, size in enumerate(_SIZES):
        length = size * width
        places = places[places + length <= stops[places]]
        grams = (sums[places + length] - sums[places]) * inverses[places] + owners[places].astype(np.uint64) * np.uint64(_APART)
        places, firsts, counts = _repeated(grams, places)
        if not len(places):
            break
        if size < _SIZES[3]:
            covered = _commonest(owners[firsts], counts, ends[firsts + length] - ends[firsts], len(totals))
        else:
            covered = _covered(places, length, owners, ends, len(totals))
        shares[number] = np.minimum(1.0, covered / totals)
    return Repetition(*shares)


def _cut(units: Units) -> Units:
    """At most `_MOST` units of each text."""
    import numpy as np

    if not (units.counts > _MOST).any():
        return units
    starts = np.cumsum(units.counts) - units.counts
    kept = np.arange(len(units.keys)) - np.repeat(starts, units.counts) < _MOST
    return Units(units.keys[kept], units.lengths[kept], np.minimum(units.counts, _MOST))


def _repeated(grams: "NDArray[np.uint64]", places: "NDArray[np.int64]") -> tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]:
    """The places, ascending, of n-grams that occur more than once; and of each such n-gram one place, and how often it occurs."""
    import numpy as np

    order = _crowded(grams)
    order = order[np.argsort(grams[order])]
    ordered = grams[order]
    twins = np.flatnonzero(ordered[1:] == ordered[:-1])
    if not len(twins):
        return twins, twins, twins
    begins = np.flatnonzero(np.concatenate(([True], twins[1:] != twins[:-1] + 1)))
    counts = np.diff(np.append(begins, len(twins))) + 1
    several = np.zeros(len(grams), np.bool_)
    several[order[twins]] = several[order[twins + 1]] = True
    return places[several], places[order[twins[begins]]], counts


def _crowded(keys: "NDArray[np.uint64]") -> "NDArray[np.int64]":
    """Places of keys that share their first bits with another: all that occur more than once, and one in six others. Sorting so few is what pays."""
    import numpy as np

    bits = len(keys).bit_length() + 2
    buckets = (keys >> np.uint64(64 - bits)).astype(np.int64)
    one, numbers = np.empty(1 << bits, np.int32), np.arange(len(keys), dtype=np.int32)
    one[buckets] = numbers
    shared = np.zeros(1 << bits, np.bool_)
    shared[buckets[one[buckets] != numbers]] = True
    return np.flatnonzero(shared[buckets])


def _commonest(owners: "NDArray[np.int64]", counts: "NDArray[np.int64]", lengths: "NDArray[np.int64]", texts: int) -> "NDArray[np.int64]":
    """Characters that the commonest n-gram of each text covers; of those that are as common, the longest."""
    import numpy as np

    most, longest = np.zeros(texts, np.int64), np.zeros(texts, np.int64)
    np.maximum.at(most, owners, counts)
    top = counts == most[owners]
    np.maximum.at(longest, owners[top], lengths[top])
    return most * longest


def _covered(places: "NDArray[np.int64]", length: int, owners: "NDArray[np.int64]", ends: "NDArray[np.int64]", texts: int) -> "NDArray[np.int64]":
    """Characters of each text in stretches that n-grams at the places cover; the places ascend."""
    import numpy as np

    apart = (places[1:] > places[:-1] + length) | (owners[places[1:]] != owners[places[:-1]])
    gaps = np.flatnonzero(apart)
    begins, behind = places[np.concatenate(([0], gaps + 1))], places[np.append(gaps, len(places) - 1)] + length
    covered = np.zeros(texts, np.int64)
    np.add.at(covered, owners[begins], ends[behind] - ends[begins])
    return covered
