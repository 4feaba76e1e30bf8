"""Validation loss by step of every trial as one SVG, written by hand as the other charts are (docs/decisions/38-plots.md)."""

from collections.abc import Sequence
from html import escape

from adapt.sweep.trials import Trial, shown

_COLOURS = ("#3b6ea5", "#d08a2e", "#5a9a68", "#a14a76", "#6b6b6b", "#2f9e9e", "#9a6b3f", "#7a5fb0")
_LEFT, _TOP, _WIDTH, _HEIGHT, _LEGEND, _LINE = 64, 48, 460, 260, 330, 18


def draw(title: str, trials: Sequence[Trial]) -> str:
    """The chart. Trials without a measurement are in the legend alone; at most the eight best are in colour, the others faint."""
    points = [point for trial in trials for point in trial.curve]
    last = max((step for step, _ in points), default=1)
    low, high = min((loss for _, loss in points), default=0.0), max((loss for _, loss in points), default=1.0)
    spread = (high - low) or 1.0
    height = max(_TOP + _HEIGHT + 40, _TOP + _LINE * len(trials) + 20)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + _LEGEND}" height="{height}" role="img" aria-label="{escape(title)}"'
        ' font-family="system-ui, sans-serif" font-size="12" fill="#1f2328">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<path d="M{_LEFT} {_TOP}V{_TOP + _HEIGHT}H{_LEFT + _WIDTH}" fill="none" stroke="#d0d7de"/>',
        *(_label(_LEFT - 8, _TOP + _HEIGHT * share + 4, f"{high - spread * share:.3f}", "end") for share in (0.0, 0.5, 1.0)),
        *(_label(_LEFT + _WIDTH * share, _TOP + _HEIGHT + 18, f"{last * share:.0f}", "middle") for share in (0.0, 0.5, 1.0)),
        _label(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 34, "step", "middle"),
    ]
    for place, trial in enumerate(trials):
        colour = _COLOURS[place] if place < len(_COLOURS) else "#d0d7de"
        path = " ".join(f"{_LEFT + _WIDTH * step / last:.1f},{_TOP + _HEIGHT * (high - loss) / spread:.1f}" for step, loss in trial.curve)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        y = _TOP + _LINE * place + 8
        parts.append(f'<rect x="{_LEFT + _WIDTH + 16}" y="{y - 8}" width="10" height="10" fill="{colour}"/>')
        parts.append(_label(_LEFT + _WIDTH + 32, y, f"{trial.number}: {shown(trial.settings)}", "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
