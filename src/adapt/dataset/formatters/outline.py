"""The outline of a Markdown text: its headings, and the lines under each. Headings in code fences are code.

Marks are looked for within bounds, and runs of them are taken whole: a line of ten thousand marks costs no more than one of words.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_LONGEST_HEADING = 1000
"""Characters; a longer line is a paragraph that begins with a mark."""
_LINK = re.compile(r"!?\[([^\]]{0,300})\]\([^)]{0,300}\)")
_EMPHASIS = re.compile(r"(\*{1,3}+|(?<!`)`++)(?=\S)(.{1,300}?)(?<=\S)\1")
_UNDERLINES = re.compile(r"(?<!\w)(_{1,3}+)(?=\S)(.{1,300}?)(?<=\S)\1(?!\w)")


class Line(NamedTuple):
    """A line of a text, and what it is there."""

    start: int
    """Place of its first character."""
    text: str
    level: int
    """1 to 6 for a heading, else 0."""
    heading: str
    """The heading's words, without marks."""
    fenced: bool
    """Inside a code fence, its opening line excepted."""


@dataclass
class Block:
    """A heading and the lines up to the next one; level 0 is the text before the first heading."""

    level: int
    heading: str
    lines: list[str] = field(default_factory=list)

    @property
    def body(self) -> str:
        """The text under the heading."""
        return "\n".join(self.lines).strip("\n")

    @property
    def text(self) -> str:
        """The heading line with the text under it."""
        return f"{'#' * self.level} {self.heading}\n\n{self.body}".rstrip() if self.level else self.body


def read_outline(text: str) -> list[Block]:
    """The blocks of a Markdown text in their order; the first is of level 0 and may be empty."""
    blocks = [Block(0, "")]
    for line in read_lines_of(text):
        if line.level:
            blocks.append(Block(line.level, line.heading))
        else:
            blocks[-1].lines.append(line.text.rstrip())
    return blocks


def read_lines_of(text: str) -> Iterator[Line]:
    """The lines of a Markdown text, told what they are."""
    fence, start = "", 0
    for line in text.split("\n"):
        level, words, fenced = 0, "", bool(fence)
        mark = _FENCE.fullmatch(line) if fence or "`" in line or "~" in line else None
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1].startswith("`") and "`" in mark[2]):
            fence = mark[1]
        elif len(line) <= _LONGEST_HEADING and (heading := _HEADING.match(line)) and (words := plain(_unclosed(heading[2]))):
            level = len(heading[1])
        yield Line(start, line, level, words, fenced)
        start += len(line) + 1


def _unclosed(heading: str) -> str:
    """A heading's text without the `#` marks that may close it."""
    text = heading.rstrip()
    shorter = text.rstrip("#")
    return shorter.rstrip() if not shorter or shorter[-1].isspace() else text


def plain(heading: str) -> str:
    """A heading without the marks of Markdown for links, emphasis and code."""
    for pattern, kept in ((_LINK, r"\1"), (_EMPHASIS, r"\2"), (_UNDERLINES, r"\2")):
        heading = pattern.sub(kept, heading)
    return heading.strip()
