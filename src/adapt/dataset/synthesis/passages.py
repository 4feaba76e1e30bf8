"""Running text is cut into passages that a teacher reads one at a time, each with the headings that it stands under."""

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from adapt.artifact.digest import digest_text
from adapt.dataset.formatters.division import Span, divide
from adapt.dataset.formatters.outline import plain, read_lines_of
from adapt.records import Document
from adapt.text.words import count_words

MIN_WORDS = 20
"""A shorter passage holds too little to ask about."""


class Passage(NamedTuple):
    """A part of a document."""

    document: Document
    """Its document, with the passage alone as its text."""
    span: Span
    """Where the passage stands in the document's text."""
    title: str
    """The document's title, and the headings above the passage."""

    @property
    def text(self) -> str:
        """The passage."""
        return self.document.text

    @property
    def part(self) -> str:
        """Its place inside the document, for locators."""
        return f"characters {self.span.start}-{self.span.end}"


def cut_passages(document: Document, words: int) -> list[Passage]:
    """Passages of a document of running text, one at least, of at most `words` words, cut at headings, paragraphs, lines or sentences."""
    text = document.text
    spans = divide(text, count_words, words) or [Span(0, len(text))]
    headings = _headings_above(text, spans)
    return [
        Passage(document.model_copy(update={"text": text[span.start : span.end]}), span, _title(document, above))
        for span, above in zip(spans, headings, strict=True)
    ]


class Sample:
    """At most `most` passages, chosen by seed and content alone: one more document displaces at most as many as it brings."""

    def __init__(self, most: int, seed: int) -> None:
        self._most, self._seed = most, seed
        self._chosen: list[tuple[int, int, Passage]] = []  # a heap whose first has the largest key: keys are negative
        self._offered = 0

    def offer(self, passage: Passage) -> Passage | None:
        """Take a passage in; returns the one that is out for good, which may be this one, and None while there is room."""
        key = int(digest_text(str(self._seed), passage.document.id, str(passage.span.start)), 16)
        self._offered += 1
        if len(self._chosen) < self._most:
            heapq.heappush(self._chosen, (-key, self._offered, passage))
            return None
        return heapq.heappushpop(self._chosen, (-key, self._offered, passage))[2]

    def __iter__(self) -> Iterator[Passage]:
        """What is chosen, in the order in which it was offered."""
        return (passage for _, _, passage in sorted(self._chosen, key=lambda entry: entry[1]))


def _headings_above(text: str, spans: list[Span]) -> list[list[str]]:
    """For each span the headings that it stands under, outermost first."""
    found: list[list[str]] = []
    path: list[tuple[int, str]] = []
    lines = read_lines_of(text)
    line = next(lines, None)
    for span in spans:
        while line is not None and line.start < span.start:
            if line.level:
                path = [*(entry for entry in path if entry[0] < line.level), (line.level, line.heading)]
            line = next(lines, None)
        level = line.level if line is not None and line.start == span.start else 0
        found.append([heading for depth, heading in path if not level or depth < level])
    return found


def _title(document: Document, above: list[str]) -> str:
    return " > ".join(dict.fromkeys(part for part in (plain(document.title), *above) if part))
