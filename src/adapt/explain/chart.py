"""Lines over steps as one SVG, written by hand as the other charts are (docs/decisions/38-plots.md)."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_COLOURS = ("#3b6ea5", "#d08a2e", "#5a9a68", "#a14a76", "#6b6b6b", "#2f9e9e", "#9a6b3f", "#7a5fb0")
_LEFT, _TOP, _WIDTH, _HEIGHT, _LEGEND, _LINE = 64, 48, 460, 260, 330, 18


class Line(NamedTuple):
    """One line of a chart."""

    label: str
    points: Sequence[tuple[int, float]]
    """Step and value."""


def draw_lines(title: str, lines: Sequence[Line]) -> str:
    """The chart, the first eight lines in colour, the others faint. A line without points is in the legend
    alone."""
    points = [point for line in lines for point in line.points]
    last = max((step for step, _ in points), default=1) or 1
    low, high = min((value for _, value in points), default=0.0), max((value for _, value in points), default=1.0)
    spread = (high - low) or 1.0
    height = max(_TOP + _HEIGHT + 40, _TOP + _LINE * len(lines) + 20)
    decimals = 3 if high >= 0.01 else 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _LEGEND}" height="{height}" role="img" aria-label="{escape(title)}"'
        ' font-family="system-ui, sans-serif" font-size="12" fill="#1f2328">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<path d="M{_LEFT} {_TOP}V{_TOP + _HEIGHT}H{_LEFT + _WIDTH}" fill="none" stroke="#d0d7de"/>',
        *(_label(_LEFT - 8, _TOP + _HEIGHT * share + 4, f"{high - spread * share:.{decimals}f}", "end") for share in (0.0, 0.5, 1.0)),
        *(_label(_LEFT + _WIDTH * share, _TOP + _HEIGHT + 18, f"{last * share:.0f}", "middle") for share in (0.0, 0.5, 1.0)),
        _label(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 34, "step", "middle"),
    ]
    for place, line in enumerate(lines):
        colour = _COLOURS[place] if place < len(_COLOURS) else "#d0d7de"
        path = " ".join(f"{_LEFT + _WIDTH * step / last:.1f},{_TOP + _HEIGHT * (high - value) / spread:.1f}" for step, value in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        y = _TOP + _LINE * place + 8
        parts.append(f'<rect x="{_LEFT + _WIDTH + 16}" y="{y - 8}" width="10" height="10" fill="{colour}"/>')
        parts.append(_label(_LEFT + _WIDTH + 32, y, line.label, "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
