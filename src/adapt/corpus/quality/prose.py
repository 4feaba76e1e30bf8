"""Finds the prose of bodies of Markdown, and measures its lines.

Left out are fenced code, table rows and headings: they repeat, end without a full stop and hold numbers for good reasons. Items of lists count as
items and as lines that may repeat, but not as lines that ought to end as sentences do.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from adapt.corpus.cleaning.fences import in_fences
from adapt.corpus.quality.characters import SPACE
from adapt.corpus.quality.page import Page, Runs
from adapt.text.scripts import UNSPACED_CLASS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEADING = re.compile(r"#{1,6}\s")
_RULE = re.compile(r"[-=*_]{3,}$")
_NUMBER = r"(?:\d{1,3}|[一二三四五六七八九十]{1,3}|[a-zA-Z])"
_ITEM = re.compile(rf"(?:[-*+](?=\s)|[•●○◦▪■□◆▶►‣·①-⑳]|[（(]{_NUMBER}[)）]|{_NUMBER}(?:[)）]|、(?!\d)|[.．](?=\s|{UNSPACED_CLASS})))\s*")
"""What a list item begins with: a bullet or a number, in English and in Chinese, which needs no space behind it."""
_MAY_BEGIN_ITEM = re.compile(r"[-*+•●○◦▪■□◆▶►‣·①-⑳（(\d一二三四五六七八九十]|[a-zA-Z][)）、.．]")
"""What every item begins with."""
_ENDS = ".!?。！？．…؟।"
_CLOSERS = "\"'”’»)）」』》]】*_`"
_LONGEST_CLOSE = 5
"""Most closing quotes and brackets that may stand behind the end of a sentence."""
_SHORT = 30
"""Width of a line that is not short; characters of scripts without spaces are two wide."""


class Prose(NamedTuple):
    """The lines of the prose of some bodies, without blanks at either end."""

    lines: Runs
    marks: "NDArray[np.int64]"
    """Length of what makes the line an item of a list; 0 for other lines."""
    numbers: "NDArray[np.int64]"
    """Number of the line among all, those that are left out included."""
    whole: bool
    """Whether nothing but white space is left out."""

    def lengths(self) -> "NDArray[np.int64]":
        """Characters of the prose of each body, with a line break between two lines."""
        import numpy as np

        return self.lines.sums(self.lines.ends - self.lines.begins - self.marks + 1) - np.minimum(self.lines.counts, 1)

    def texts(self, page: Page, body: int) -> list[str]:
        """The lines of a body, without the marks of items."""
        places = range(int(self.lines.bounds[body]), int(self.lines.bounds[body + 1]))
        return [page.text[self.lines.begins[at] + self.marks[at] : self.lines.ends[at]] for at in places]


class LineMeasures(NamedTuple):
    """Shares of all lines, characters or paragraphs of each body; named as in `records.Signals`. A body without prose breaks no bound."""

    bullet_lines: "NDArray[np.float64]"
    ellipsis_lines: "NDArray[np.float64]"
    punctuated_lines: "NDArray[np.float64]"
    short_lines: "NDArray[np.float64]"
    duplicate_lines: "NDArray[np.float64]"
    duplicate_line_characters: "NDArray[np.float64]"
    duplicate_paragraphs: "NDArray[np.float64]"


_FEWEST_LINES = 5
"""Of fewer lines the share that ends in an ellipsis says nothing: one is a third of three."""


def prose_of(page: Page, words: Runs) -> Prose:
    """The prose of a page; `words` are what white space divides it into."""
    import numpy as np

    breaks = np.flatnonzero(page.codes == ord("\n"))
    starts = np.concatenate(([0], breaks[:-1] + 1))
    first, behind = np.searchsorted(words.begins, starts), np.searchsorted(words.begins, breaks)
    numbers = np.flatnonzero(first < behind)
    begins, ends = words.begins[first[numbers]], words.ends[behind[numbers] - 1]
    bounds = np.searchsorted(numbers, np.append(np.searchsorted(starts, page.starts), len(starts)))
    lines = Runs(begins, ends, bounds)
    prose, marks = _looked_at(page, lines, starts[numbers], breaks[numbers])
    for number in _coded(page, starts, breaks, numbers):
        prose[number] = False
    return Prose(lines.only(prose), marks[prose], numbers[prose], whole=bool(prose.all() and not marks.any()))


def _looked_at(page: Page, lines: Runs, starts: "NDArray[np.int64]", breaks: "NDArray[np.int64]") -> tuple["NDArray[np.bool_]", "NDArray[np.int64]"]:
    """Which lines are prose as far as they tell themselves, and the lengths of the marks of items; `starts` and `breaks` are those of whole lines."""
    import numpy as np

    prose, marks = np.ones(len(starts), np.bool_), np.zeros(len(starts), np.int64)
    heads, seconds = page.codes[lines.begins], page.codes[lines.begins + 1]
    alone = np.isin(starts, page.starts) & np.isin(breaks, page.ends)
    for at in np.flatnonzero(_may_be_special(heads, seconds)).tolist():
        begin, end = int(lines.begins[at]), int(lines.ends[at])
        head = page.text[begin]
        heading = head == "#" and _HEADING.match(page.text, *((begin, end) if alone[at] else (int(starts[at]), int(breaks[at]))))
        if heading or head == "|" or _RULE.match(page.text, begin, end):
            prose[at] = False
        elif mark := _ITEM.match(page.text, begin, end):
            marks[at] = mark.end() - begin
    return prose, marks


def _may_be_special(heads: "NDArray[np.int64]", seconds: "NDArray[np.int64]") -> "NDArray[np.bool_]":
    """Whether lines that begin with these characters may be headings, table rows, rules or items of lists."""
    import numpy as np

    unlike, which = np.unique(heads, return_inverse=True)
    special = np.array([chr(code) in "#|=_" or _MAY_BEGIN_ITEM.match(chr(code)) is not None for code in unlike.tolist()], np.bool_)
    lettered = np.array([chr(code).isascii() and chr(code).isalpha() for code in unlike.tolist()], np.bool_)
    return special[which] | (lettered[which] & np.isin(seconds, _codes(")）、.．")))


def _coded(page: Page, starts: "NDArray[np.int64]", breaks: "NDArray[np.int64]", numbers: "NDArray[np.int64]") -> Iterator[int]:
    """Lines, by their place in `numbers`, that belong to fenced code."""
    import numpy as np

    if "```" not in page.text and "~~~" not in page.text:
        return
    places = {number: place for place, number in enumerate(numbers.tolist())}
    owners = np.searchsorted(page.ends, breaks).tolist()
    for _, group in groupby(range(len(starts)), key=owners.__getitem__):
        body = list(group)
        texts = [page.text[starts[number] : breaks[number]] for number in body]
        if sum(not text.isspace() and text != "" for text in texts) == 1:
            texts = [text.strip() for text in texts]
        yield from (places[number] for number, code in zip(body, in_fences(texts), strict=True) if code and number in places)


def measure_lines(page: Page, prose: Prose, unspaced: "NDArray[np.int64]") -> LineMeasures:
    """The measures of the lines; `unspaced` are the places of characters of scripts without spaces."""
    import numpy as np

    lines, sentence = prose.lines, prose.marks == 0
    count = np.maximum(lines.counts, 1)
    sentences = lines.sums(sentence)
    unlike = np.maximum(sentences, 1)
    punctuated = lines.sums(_end_as_sentences(page, lines) & sentence) / unlike
    return LineMeasures(
        np.where(lines.counts > 0, 1 - sentences / count, 0.0),
        np.where(lines.counts >= _FEWEST_LINES, lines.sums(_end_in_ellipses(page, lines)) / count, 0.0),
        np.where(sentences > 0, punctuated, 1.0),
        lines.sums(_are_short(lines, unspaced) & sentence) / unlike,
        *_duplicates(page, prose),
    )


def _end_as_sentences(page: Page, lines: Runs) -> "NDArray[np.bool_]":
    """Whether lines end with the sign of a sentence, closing quotes and brackets aside."""
    import numpy as np

    at = lines.ends - 1
    found = np.isin(page.codes[at], _codes(_ENDS))
    waiting = np.flatnonzero(~found)
    at = at[waiting]
    for _ in range(_LONGEST_CLOSE):
        closed = np.isin(page.codes[at], _codes(_CLOSERS))
        waiting, at = waiting[closed], at[closed] - 1
        inside = at >= lines.begins[waiting]
        waiting, at = waiting[inside], at[inside]
        if not len(waiting):
            break
        found[waiting] |= np.isin(page.codes[at], _codes(_ENDS))
    return found


def _end_in_ellipses(page: Page, lines: Runs) -> "NDArray[np.bool_]":
    import numpy as np

    last = page.codes[lines.ends - 1]
    points = np.flatnonzero(((last == ord(".")) | (last == ord("。"))) & (lines.ends - lines.begins >= 3))
    ends = lines.ends[points]
    found = np.asarray(last == ord("…"))
    found[points] = (page.codes[ends - 2] == last[points]) & (page.codes[ends - 3] == last[points])
    return found


def _are_short(lines: Runs, unspaced: "NDArray[np.int64]") -> "NDArray[np.bool_]":
    """Under 30 characters; those of scripts without spaces count twice."""
    import numpy as np

    lengths = lines.ends - lines.begins
    if len(unspaced):
        lengths = lengths + np.searchsorted(unspaced, lines.ends) - np.searchsorted(unspaced, lines.begins)
    return np.asarray(lengths < _SHORT)


def _duplicates(page: Page, prose: Prose) -> tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]:
    """Shares of lines, of characters in them, and of paragraphs that stand after one that equals them. No paragraph repeats where no line does."""
    import numpy as np

    shares = np.zeros((3, len(page)))
    lines, owners = prose.lines, prose.lines.owners
    hashes = page.hashes(lines.begins, lines.ends)
    order = np.lexsort((hashes, owners))
    again = (hashes[order][1:] == hashes[order][:-1]) & (owners[order][1:] == owners[order][:-1])
    for body in np.unique(owners[order][1:][again]).tolist():
        places = range(int(lines.bounds[body]), int(lines.bounds[body + 1]))
        texts = [page.text[lines.begins[at] : lines.ends[at]] for at in places]
        numbers = prose.numbers[places.start : places.stop].tolist()
        paragraphs = ["\n".join(text for _, text in group) for _, group in groupby(enumerate(texts), key=lambda each: numbers[each[0]] - each[0])]
        repeated, runs = _repeats(texts), _repeats(paragraphs)
        shares[:, body] = len(repeated) / len(texts), sum(map(len, repeated)) / sum(map(len, texts)), len(runs) / len(paragraphs)
    return shares[0], shares[1], shares[2]


def _repeats(texts: list[str]) -> list[str]:
    """The texts that stand after one that equals them."""
    seen: set[str] = set()
    return [text for text in texts if text in seen or seen.add(text)]  # type: ignore[func-returns-value]


def classes_of_prose(page: Page, prose: Prose) -> "NDArray[np.uint8]":
    """The classes of the characters; those that are no prose count as white space."""
    import numpy as np

    if prose.whole:
        return page.classes
    inside = np.zeros(len(page.codes) + 1, np.int8)
    inside[prose.lines.begins + prose.marks] += 1
    inside[prose.lines.ends] -= 1
    return np.where(np.cumsum(inside[:-1], dtype=np.int8) > 0, page.classes, np.uint8(SPACE))


def _codes(characters: str) -> list[int]:
    return [ord(character) for character in characters]
