"""Joins lines that a plain text file broke at a fixed width, so that answers are not learned with line breaks in mid-sentence."""

import re
import unicodedata

_STRUCTURE = re.compile(
    r"\s*([-*+•·]\s|\(?[\da-zA-Z]{1,3}[.)]\s|[（(]?[一二三四五六七八九十\d]{1,3}[、)）]|#{1,6}\s|[|>]|```|~~~)|\s{2,}|.*\S {3,}\S|.*\t"
)
"""Lines that are not prose: list items, headings, quotations, tables, code."""
_MIN_WIDTH = 40
_MIN_SHARE = 0.6
"""Every line but a paragraph's last fills at least this share of its longest, else its breaks are meant."""


def unwrap(text: str) -> str:
    """The text with each hard-wrapped paragraph on one line; lists, tables, code, verse and addresses keep their lines."""
    if "```" in text or "~~~" in text:
        return text
    return "\n\n".join(_joined(paragraph.split("\n")) for paragraph in text.split("\n\n"))


def _joined(lines: list[str]) -> str:
    widths = [_width(line) for line in lines]
    wide = max(widths)
    if len(lines) < 2 or wide < _MIN_WIDTH or min(widths[:-1]) < _MIN_SHARE * wide or any(_STRUCTURE.match(line) for line in lines):
        return "\n".join(lines)
    joined = lines[0]
    for line in lines[1:]:
        joined += line if _is_wide(joined[-1]) or _is_wide(line[0]) or re.search(r"[^\W\d_]-$", joined) else f" {line}"
    return joined


def _width(line: str) -> int:
    """Columns in a terminal: Han characters and their punctuation take two."""
    return len(line) if line.isascii() else sum(2 if _is_wide(character) else 1 for character in line)


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
