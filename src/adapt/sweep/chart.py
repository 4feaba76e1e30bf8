"""Validation loss by step of every trial as one SVG."""

from collections.abc import Sequence

from adapt.explain.chart import Line, draw_lines
from adapt.sweep.trials import Trial, shown


def draw(title: str, trials: Sequence[Trial]) -> str:
    """The chart. Trials without a measurement are in the legend alone; at most the eight best are in colour, the others faint."""
    return draw_lines(title, [Line(f"{trial.number}: {shown(trial.settings)}", trial.curve) for trial in trials])
