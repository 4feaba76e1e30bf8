"""Measures the quality signals of bodies of text, many at once; what each means, and whose it is, stands in `adapt.spec.quality`.

All but `words` and `replacement_characters` look at the prose alone: fenced code, table rows and headings are left out. A text in
whose prose characters without spaces make more words than spaced words do is measured by characters, any other by its spaced words.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from adapt.corpus.quality.characters import ALPHANUMERIC, LETTER, MARK, SIGN, SPACE, STOP_CHARACTERS, UNSPACED_LETTER, keys_of
from adapt.corpus.quality.page import Page, Runs
from adapt.corpus.quality.prose import Prose, classes_of_prose, measure_lines, prose_of
from adapt.corpus.quality.repetition import Repetition, Units, repetition_of_characters, repetition_of_words
from adapt.records import Signals

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64] | NDArray[np.float64]

_AT_ONCE = 1 << 17
"""Characters of one page: enough to make the cost of an array's operation small, and few enough for the processor's cache."""
_FILLERS = ("lorem ipsum", "dolor sit amet", "占位文字", "占位文本")
_OF_FILLERS, _FILLER_BEGINS = ("ipsum", "amet"), "占位文"
"""What words of every filler begin with, and what the others begin with."""
_GAP = re.compile(r"\[(?:insert|enter|your) [^\]\n]{1,40} here\]|[【［\[](?:请?在?此处|在此)(?:填写|填入|输入|插入)[^】］\]\n]{0,20}[】］\]]")
"""Places of a form that nobody filled in."""
_ENGLISH = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The stop words of Gopher."""
Columns = dict[str, "NDArray[np.float64]"]
"""A value for each body by the names of `records.Signals`; NaN where a measure has no meaning."""


def measure_signals(bodies: Sequence[str]) -> Columns:
    """The signals of bodies, all but the confidence of the language. Shares are rounded to four decimals."""
    import numpy as np

    names = [name for name in Signals.model_fields if name != "language_confidence"]
    parts = [_measure(Page(part)) for part in _parts(bodies)]
    return {name: rounded(np.concatenate([part[name] for part in parts])) if parts else np.zeros(0) for name in names}


def rounded(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Values rounded to four decimals as Python's `round` does it, which looks at the decimals of a number and not at its ten-thousandfold."""
    import numpy as np

    scaled = values * 10_000
    found = np.rint(scaled) / 10_000
    for at in np.flatnonzero(np.abs(scaled - np.floor(scaled) - 0.5) < 1e-5).tolist():
        found[at] = round(float(values[at]), 4)
    return found


def _parts(bodies: Sequence[str]) -> Iterator[Sequence[str]]:
    start = size = 0
    for at, body in enumerate(bodies):
        if at > start and size + len(body) > _AT_ONCE:
            yield bodies[start:at]
            start, size = at, 0
        size += len(body) + 1
    if start < len(bodies):
        yield bodies[start:]


class _Words(NamedTuple):
    """The words of a page."""

    parts: Runs
    """What white space divides the text into."""
    held: "NDArray[np.uint8]"
    """The classes of the characters of each part."""
    words: Runs
    """Parts, without signs at either end, that have a letter or a digit; characters of scripts without spaces divide too."""
    unspaced: "NDArray[np.int64]"
    """Places of characters of scripts without spaces."""

    @property
    def lengths(self) -> "NDArray[np.int64]":
        """Characters of each word."""
        return self.words.ends - self.words.begins


def _measure(page: Page) -> Columns:
    import numpy as np

    whole = _words(page, page.classes)
    prose = prose_of(page, whole.parts)
    classes = classes_of_prose(page, prose)
    found = whole if prose.whole else _words(page, classes)
    unspaced, counts = page.tallies(found.unspaced), found.words.counts
    by_characters = unspaced > 2 * counts
    hashes = page.hashes(found.words.begins, found.words.ends)
    columns = {
        "words": whole.words.counts + page.tallies(whole.unspaced) / 2,
        "mean_word_length": _ratio(found.words.sums(found.lengths), np.where(by_characters, 0, counts)),
        "alphabetic_words": _alphabetic(page, classes, found, by_characters),
        **_of_marks(page, prose, classes, found.parts, counts + unspaced / 2),
        **measure_lines(page, prose, whole.unspaced)._asdict(),
        **_repetition(page, classes, found, hashes, by_characters)._asdict(),
    }
    columns["stop_words"] += _stop_words(found, hashes)
    return columns


def _ratio(values: "Numbers", counts: "Numbers") -> "NDArray[np.float64]":
    """NaN where the count is 0."""
    import numpy as np

    return np.asarray(np.where(counts > 0, values / np.maximum(counts, 0.5), np.nan))  # the least count is one character, which is half a word


def _words(page: Page, classes: "NDArray[np.uint8]") -> _Words:
    import numpy as np

    unspaced = np.flatnonzero(classes & UNSPACED_LETTER)
    parts = pieces = page.runs(classes & SPACE == 0)
    held = all_held = _held(classes, parts)
    if len(unspaced):
        classes = classes.copy()
        classes[unspaced] = SPACE
        pieces = page.runs(classes & SPACE == 0)
        held = _held(classes, pieces)
    words, held = pieces.only(held & ALPHANUMERIC > 0), held[held & ALPHANUMERIC > 0]
    signed = np.flatnonzero(held & SIGN)
    core = classes & (SPACE | SIGN) == 0
    places, rank = np.flatnonzero(core), np.cumsum(core, dtype=np.int32)
    begins, ends = words.begins, words.ends
    begins[signed], ends[signed] = places[rank[begins[signed]] - core[begins[signed]]], places[rank[ends[signed] - 1] - 1] + 1
    return _Words(parts, all_held, Runs(begins, ends, words.bounds), unspaced)


def _held(classes: "NDArray[np.uint8]", runs: Runs) -> "NDArray[np.uint8]":
    """The classes of the characters of each run; what stands between two runs is white space."""
    import numpy as np

    return np.bitwise_or.reduceat(classes, runs.begins) if len(runs.begins) else np.zeros(0, np.uint8)


def _alphabetic(page: Page, classes: "NDArray[np.uint8]", found: _Words, by_characters: "NDArray[np.bool_]") -> "NDArray[np.float64]":
    """Share of the words, those of signs alone included, that have a letter; by characters, of those other than white space that are letters."""
    import numpy as np

    parts = found.parts
    shares = _ratio(parts.sums(found.held & LETTER > 0), parts.counts)
    if by_characters.any():
        shares = np.where(by_characters, _ratio(page.counts(classes & LETTER > 0), parts.sums(parts.ends - parts.begins)), shares)
    return shares


def _of_marks(page: Page, prose: Prose, classes: "NDArray[np.uint8]", parts: Runs, amount: "NDArray[np.float64]") -> Columns:
    """What is counted by single characters; `amount`: words of the prose of each body."""
    import numpy as np

    places = np.flatnonzero(page.classes & MARK)
    lost = page.tallies(places[page.codes[places] == 0xFFFD]) / np.maximum(page.lengths, 1)
    places = places[classes[places] & MARK > 0]
    codes = page.codes[places]
    symbols = page.tallies(places[codes == ord("#")])
    for sign, least in (("…", 1), (".", 3), ("。", 3)):
        symbols = symbols + page.tallies(_ellipses(places[codes == ord(sign)], least))
    braces = page.tallies(places[(codes == ord("{")) | (codes == ord("}"))])
    stops = sum((page.tallies(places[codes == ord(stop)]) > 0).astype(np.float64) for stop in STOP_CHARACTERS)
    return {
        "symbols_per_word": _ratio(symbols, amount),
        "stop_words": np.asarray(stops),
        "curly_braces": 1000 * braces / np.maximum(prose.lengths(), 1),
        "placeholders": _placeholders(page, prose, parts, places[np.isin(codes, [ord(bracket) for bracket in "[【［"])]),
        "replacement_characters": lost,
    }


def _ellipses(places: "NDArray[np.int64]", least: int) -> "NDArray[np.int64]":
    """Where runs of `least` or more places, one after the other, begin."""
    import numpy as np

    begins = np.flatnonzero(np.concatenate(([True], places[1:] != places[:-1] + 1))) if len(places) else places
    return places[begins[np.diff(np.append(begins, len(places))) >= least]]


def _placeholders(page: Page, prose: Prose, parts: Runs, brackets: "NDArray[np.int64]") -> "NDArray[np.float64]":
    """Fillers, and places of a form that nobody filled in. Few bodies have a bracket or a word of a filler, and they alone are searched."""
    import numpy as np

    found = np.zeros(len(page))
    places = np.concatenate((brackets, *(_beginning_with(word, page, parts) for word in _OF_FILLERS)))
    bodies = range(len(page)) if _FILLER_BEGINS in page.text else np.unique(page.owners(places)).tolist()
    for body in bodies:
        text = "\n".join(prose.texts(page, body)).lower()
        found[body] = len(_GAP.findall(text)) + sum(text.count(filler) for filler in _FILLERS)
    return found


def _beginning_with(word: str, page: Page, parts: Runs) -> "NDArray[np.int64]":
    """Where parts begin with a word of small or capital letters."""
    places = parts.begins[parts.ends - parts.begins >= len(word)]
    for at, letter in enumerate(word):
        places = places[page.codes[places + at] | 0x20 == ord(letter)]
    return places


def _stop_words(found: _Words, hashes: "NDArray[np.uint64]") -> "NDArray[np.int64]":
    """How many different stop words of English there are in each body."""
    import numpy as np

    stops = _hashes_of_stop_words()
    short = np.flatnonzero(found.lengths <= max(map(len, _ENGLISH)))
    which = np.minimum(np.searchsorted(stops, hashes[short]), len(stops) - 1)
    hit = stops[which] == hashes[short]
    present = np.zeros((len(found.words.bounds) - 1, len(stops)), np.bool_)
    present[found.words.owners[short[hit]], which[hit]] = True
    return np.asarray(present.sum(axis=1))


@cache
def _hashes_of_stop_words() -> "NDArray[np.uint64]":
    import numpy as np

    page = Page(_ENGLISH)
    return np.sort(page.hashes(page.starts, page.ends))


def _repetition(
    page: Page, classes: "NDArray[np.uint8]", words: _Words, hashes: "NDArray[np.uint64]", by_characters: "NDArray[np.bool_]"
) -> Repetition:
    import numpy as np

    if by_characters.all():
        return repetition_of_characters(_characters(page, classes, by_characters))
    units = Units(hashes, words.lengths, words.words.counts)
    if by_characters.any():
        spaced = ~by_characters[words.words.owners]
        units = Units(hashes[spaced], words.lengths[spaced], np.where(by_characters, 0, words.words.counts))
    found = repetition_of_words(units)
    if not by_characters.any():
        return found
    others = repetition_of_characters(_characters(page, classes, by_characters))
    return Repetition(*(np.where(by_characters, *pair) for pair in zip(others, found, strict=True)))


def _characters(page: Page, classes: "NDArray[np.uint8]", wanted: "NDArray[np.bool_]") -> Units:
    """Letters and digits of the wanted bodies."""
    import numpy as np

    places = np.flatnonzero(classes & ALPHANUMERIC)
    counts = page.tallies(places)
    if not wanted.all():
        places, counts = places[np.repeat(wanted, counts)], np.where(wanted, counts, 0)
    return Units(keys_of(page.codes[places]), np.ones(len(places), np.int64), counts)
