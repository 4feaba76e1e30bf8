"""Measures the lines of a text's prose.

Enters: a body as Markdown. Left out are fenced code, table rows and headings: they repeat, end without a full stop and hold numbers for good
reasons. Items of lists count as items and as lines that may repeat, but not as lines that ought to end as sentences do.
"""

import re
from typing import NamedTuple

from adapt.corpus.cleaning.fences import in_fences
from adapt.text.scripts import UNSPACED_CLASS
from adapt.text.words import without_unspaced

_NOT_PROSE = re.compile(r"\s*\||#{1,6}\s|\s*[-=*_]{3,}\s*$")
"""Table rows, headings, rules."""
_NUMBER = r"(?:\d{1,3}|[一二三四五六七八九十]{1,3}|[a-zA-Z])"
_ITEM = re.compile(rf"(?:[-*+](?=\s)|[•●○◦▪■□◆▶►‣·①-⑳]|[（(]{_NUMBER}[)）]|{_NUMBER}(?:[)）]|、(?!\d)|[.．](?=\s|{UNSPACED_CLASS})))\s*")
"""What a list item begins with: a bullet or a number, in English and in Chinese, which needs no space behind it."""
_ENDS = frozenset(".!?。！？．…؟।")
_CLOSERS = "\"'”’»)）」』》]】*_`"
_ELLIPSES = ("…", "...", "。。。")
SHORT = 30
"""Width of a line that is not short; characters of scripts without spaces are two wide."""


class Prose(NamedTuple):
    """The prose of a body."""

    text: str
    """Its lines, without the marks of list items."""
    lines: tuple[str, ...]
    """Its lines as they stand, without blanks at either end."""
    items: tuple[bool, ...]
    """Which of them are items of lists."""
    paragraphs: tuple[str, ...]
    """Runs of lines between empty lines or what is left out."""


_NO_PROSE = Prose("", (), (), ())


class LineMeasures(NamedTuple):
    """Shares of all lines, characters or paragraphs; named as in `records.Signals`."""

    bullet_lines: float = 0.0
    ellipsis_lines: float = 0.0
    punctuated_lines: float = 1.0
    short_lines: float = 0.0
    duplicate_lines: float = 0.0
    duplicate_line_characters: float = 0.0
    duplicate_paragraphs: float = 0.0


def prose_of(body: str) -> Prose:
    """The prose of a body."""
    if "\n" not in body:
        return _prose_of_line(body.strip())
    lines, paragraphs = _lines(body)
    marks = [_ITEM.match(line) for line in lines]
    text = "\n".join(line[mark.end() :] if mark else line for line, mark in zip(lines, marks, strict=True))
    return Prose(text, tuple(lines), tuple(mark is not None for mark in marks), tuple(paragraphs))


def _prose_of_line(line: str) -> Prose:
    if not line or line.startswith(("```", "~~~")) or _NOT_PROSE.match(line):
        return _NO_PROSE
    mark = _ITEM.match(line)
    return Prose(line[mark.end() :] if mark else line, (line,), (mark is not None,), (line,))


def _lines(body: str) -> tuple[list[str], list[str]]:
    every = body.split("\n")
    coded = in_fences(every) if "```" in body or "~~~" in body else [False] * len(every)
    lines: list[str] = []
    paragraphs: list[str] = []
    begins = 0
    for line, code in zip(every, coded, strict=True):
        bare = line.strip()
        if bare and not code and not _NOT_PROSE.match(line):
            lines.append(bare)
        elif begins < len(lines):
            paragraphs.append("\n".join(lines[begins:]))
            begins = len(lines)
    if begins < len(lines):
        paragraphs.append("\n".join(lines[begins:]))
    return lines, paragraphs


def measure_lines(prose: Prose) -> LineMeasures:
    """The measures of the lines; those of a body without prose break no bound."""
    count = len(prose.lines)
    if count < 2:
        return _measure_line(prose.lines[0], prose.items[0]) if count else LineMeasures()
    sentences = [line for line, item in zip(prose.lines, prose.items, strict=True) if not item]
    repeated = _repeats(prose.lines)
    return LineMeasures(
        bullet_lines=1 - len(sentences) / count,
        ellipsis_lines=sum(line.endswith(_ELLIPSES) for line in prose.lines) / count,
        punctuated_lines=sum(map(ends_as_sentence, sentences)) / len(sentences) if sentences else 1.0,
        short_lines=sum(map(_is_short, sentences)) / len(sentences) if sentences else 0.0,
        duplicate_lines=len(repeated) / count,
        duplicate_line_characters=sum(map(len, repeated)) / sum(map(len, prose.lines)) if repeated else 0.0,
        duplicate_paragraphs=len(_repeats(prose.paragraphs)) / len(prose.paragraphs),
    )


def _measure_line(line: str, item: bool) -> LineMeasures:
    ellipsis = float(line.endswith(_ELLIPSES))
    return LineMeasures(1.0, ellipsis) if item else LineMeasures(0.0, ellipsis, float(ends_as_sentence(line)), float(_is_short(line)))


def _repeats(texts: tuple[str, ...]) -> list[str]:
    """The texts that stand after one that equals them."""
    if len(set(texts)) == len(texts):
        return []
    seen: set[str] = set()
    return [text for text in texts if text in seen or seen.add(text)]  # type: ignore[func-returns-value]


def ends_as_sentence(line: str) -> bool:
    """Whether a line that is not empty ends with the sign of a sentence, closing quotes and brackets aside."""
    return line[-1] in _ENDS or line[-6:].rstrip(_CLOSERS)[-1:] in _ENDS


def _is_short(line: str) -> bool:
    """Under 30 characters; those of scripts without spaces count twice."""
    return len(line) < SHORT and len(line) + without_unspaced(line)[1] < SHORT
