"""Divides a Markdown text into spans of bounded size that begin and end where a reader would pause.

Cuts are looked for at headings first, then between paragraphs, lines, sentences and words, each only where what the one before it left
is still too large; neighbours are joined while they fit. Code fences are not cut but at lines, and a heading stays with what it heads.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from adapt.dataset.formatters.outline import read_lines_of
from adapt.text.scripts import UNSPACED_CLASS

_SENTENCE = re.compile(r"(?:(?<![.!?…])[.!?…]++[\"'”’)\]]*+\s++|(?<![。！？])[。！？]++[”’」』）】]*+\s*+)(?=\S)")
_WORD = re.compile(rf"(?<!\s)\s++(?=\S)|{UNSPACED_CLASS}(?=\S)")


class Span(NamedTuple):
    """First character and the one after the last."""

    start: int
    end: int


def divide(text: str, size: Callable[[str], float], limit: float) -> list[Span]:
    """Spans that hold all of `text` but white space, in its order. `size` adds up over parts; a single word may be larger than `limit`."""
    if not text.strip():
        return []
    if size(text) <= limit:
        return [_trimmed(text, Span(0, len(text)))]
    cuts = _find_cuts(text)
    return [_trimmed(text, span) for span in _divide(text, Span(0, len(text)), cuts, size, limit) if text[span.start : span.end].strip()]


def sentences_of(text: str) -> list[Span]:
    """The sentences of a text, the white space behind each included; abbreviations with a stop end one as well."""
    edges = [0, *(mark.end() for mark in _SENTENCE.finditer(text)), len(text)]
    return [Span(start, end) for start, end in pairwise(edges) if start < end]


def _find_cuts(text: str) -> list[list[int]]:
    """Places where a text may be cut, from the best kind to the worst, each ascending."""
    headings: list[int] = []
    paragraphs: list[int] = []
    lines: list[int] = []
    behind_heading: set[int] = set()
    blank = headed = False
    for line in read_lines_of(text):
        if not line.text.strip():
            blank = True
            continue
        if headed:
            behind_heading.add(line.start)
        elif line.level:
            headings.append(line.start)
        elif blank and not line.fenced:
            paragraphs.append(line.start)
        else:
            lines.append(line.start)
        blank, headed = False, bool(line.level)
    finer = [[mark.end() for mark in pattern.finditer(text) if mark.end() not in behind_heading] for pattern in (_SENTENCE, _WORD)]
    return [headings, paragraphs, lines, *finer]


def _divide(text: str, span: Span, cuts: list[list[int]], size: Callable[[str], float], limit: float) -> Iterator[Span]:
    if not cuts or size(text[span.start : span.end]) <= limit:
        yield span
        return
    here = cuts[0][bisect_right(cuts[0], span.start) : bisect_left(cuts[0], span.end)]
    edges = [span.start, *here, span.end]
    start, total = span.start, 0.0
    for first, end in pairwise(edges):
        part = size(text[first:end])
        if total + part > limit and start < first:
            yield from _divide(text, Span(start, first), cuts[1:], size, limit)
            start, total = first, 0.0
        total += part
    yield from _divide(text, Span(start, span.end), cuts[1:], size, limit)


def _trimmed(text: str, span: Span) -> Span:
    piece = text[span.start : span.end]
    return Span(span.start + len(piece) - len(piece.lstrip("\n ")), span.start + len(piece.rstrip()))
