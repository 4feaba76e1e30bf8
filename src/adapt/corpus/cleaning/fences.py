"""Knows which lines of a Markdown text are fenced code."""

import re
from collections.abc import Sequence

_FENCE = re.compile(r" {0,3}(```|~~~)")


def in_fences(lines: Sequence[str]) -> list[bool]:
    """For each line, whether it belongs to fenced code, the fences included; a fence that is never closed runs to the end (CommonMark 4.5)."""
    inside: list[bool] = []
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        inside.append(bool(fence or mark))
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1] == fence:
            fence = ""
    return inside
