"""Bar charts as SVG, written by hand: a few kilobytes each, the same bytes everywhere, and text that stays text in any script.

Why no plotting library: docs/decisions/38-plots.md.
"""

from bisect import bisect_right
from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import NamedTuple
from unicodedata import east_asian_width

_COLOURS = ("#3b6ea5", "#d08a2e", "#5a9a68")
_INK, _FAINT, _PAPER = "#1f2328", "#d0d7de", "#ffffff"
_ROW, _BAR, _TOP, _FONT = 24, 15, 56, 12
_LABEL, _PLOT, _RIGHT = 250, 400, 90
_LABEL_CELLS = 34  # of the width of a Latin letter
_LETTER = 6.4


class Bars(NamedTuple):
    """One labelled row of a chart: a value for each series."""

    label: str
    values: tuple[int, ...]


def draw_bars(title: str, rows: Sequence[Bars], series: Sequence[str] = ()) -> str:
    """An SVG of horizontal bars, the series of a row stacked, with the row's total behind it. Colours repeat after three series."""
    height = _TOP + _ROW * max(len(rows), 1) + 10
    width = _LABEL + _PLOT + _RIGHT
    most = max((sum(row.values) for row in rows), default=0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="{_FONT}" fill="{_INK}">',
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>',
        f'<text x="12" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        *_legend(series),
        f'<line x1="{_LABEL}" y1="{_TOP - 6}" x2="{_LABEL}" y2="{height - 8}" stroke="{_FAINT}"/>',
    ]
    for place, row in enumerate(rows):
        parts += _row(row, _TOP + place * _ROW, max(most, 1))
    if not rows:
        parts.append(f'<text x="{_LABEL + 8}" y="{_TOP + _FONT}">none</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(series: Sequence[str]) -> list[str]:
    parts, x = [], float(_LABEL)
    for place, name in enumerate(series):
        parts.append(f'<rect x="{x:g}" y="32" width="10" height="10" fill="{_COLOURS[place % len(_COLOURS)]}"/>')
        parts.append(f'<text x="{x + 15:g}" y="41">{escape(name)}</text>')
        x = round(x + 35 + len(name) * _LETTER, 1)
    return parts


def _row(row: Bars, y: int, most: int) -> list[str]:
    middle = y + _FONT
    parts = [f'<text x="{_LABEL - 8}" y="{middle}" text-anchor="end">{escape(shorten(row.label, _LABEL_CELLS))}</text>']
    x = float(_LABEL)
    for place, value in enumerate(row.values):
        width = round(value * _PLOT / most, 2)
        if width:
            parts.append(f'<rect x="{x:g}" y="{y}" width="{width:g}" height="{_BAR}" fill="{_COLOURS[place % len(_COLOURS)]}"/>')
        x = round(x + width, 2)
    parts.append(f'<text x="{x + 6:g}" y="{middle}">{sum(row.values):,}</text>')
    return parts


def shorten(label: str, cells: int) -> str:
    """A label of at most so many cells, a wide character taking two; of a longer one the middle is left out, since paths differ at their ends."""
    if _cells(label) <= cells:
        return label
    tail = _fitting(label[::-1], cells // 2)[::-1]
    return f"{_fitting(label, cells - 1 - _cells(tail))}…{tail}"


def _fitting(text: str, cells: int) -> str:
    """As much of the beginning of a text as fits."""
    used = list(accumulate(map(_cells, text)))
    return text[: bisect_right(used, cells)]


def _cells(text: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
