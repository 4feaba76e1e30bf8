"""The outline of a Markdown text: its headings, and the lines under each. Headings in code fences are code."""

import re
from dataclasses import dataclass, field

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*{1,3}|`+)(?=\S)(.+?)(?<=\S)\1")
_UNDERLINES = re.compile(r"(?<!\w)(_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)")


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
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.fullmatch(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and not (mark[1].startswith("`") and "`" in mark[2]):
            fence = mark[1]
        elif (heading := _HEADING.match(line)) and (words := plain(_unclosed(heading[2]))):
            blocks.append(Block(len(heading[1]), words))
            continue
        blocks[-1].lines.append(line.rstrip())
    return blocks


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
