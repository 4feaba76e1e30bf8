"""metrics.json: the figures of base and adapter, and what is better of two.

No torch and no measuring here: the gate stage reads this module too.
"""

import json
import math
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from adapt.errors import InputError
from adapt.records import Shape
from adapt.spec.evaluate import Metric

METRICS, SUBJECT = "metrics.json", "subject.json"
NAMES: tuple[Metric, ...] = get_args(Metric)
"""Every metric, in the order that tables show them."""
_LOWER_IS_BETTER = frozenset({"perplexity"})
_SIGNIFICANT_DIGITS = 6

Figures = dict[Metric, float]
"""What was measured of one model. A metric that could not be measured is absent."""


class Metrics(Shape):
    """Contents of metrics.json. BLEU runs from 0 to 100, perplexity from 1 up, all others from 0 to 1."""

    base: Figures
    adapter: Figures
    records: int
    """Records of the test split."""
    tokens: int
    """Answer tokens of those records, end tokens included: what perplexity is a mean over."""


def is_better(metric: Metric, figure: float, other: float) -> bool:
    """Whether `figure` is strictly better than `other`."""
    return figure < other if lower_is_better(metric) else figure > other


def lower_is_better(metric: Metric) -> bool:
    """True for perplexity alone."""
    return metric in _LOWER_IS_BETTER


def rounded(figures: Figures) -> Figures:
    """Figures to 6 significant digits, in the order of `NAMES`; what is not finite counts as not measured."""
    return {name: float(f"{figures[name]:.{_SIGNIFICANT_DIGITS}g}") for name in NAMES if math.isfinite(figures.get(name, math.nan))}


def shown(figure: float) -> str:
    """A figure as people read it: up to 6 significant digits, no exponent up to a million."""
    return f"{figure:.{_SIGNIFICANT_DIGITS}g}"


def write_subject(folder: Path, *, adapter: str) -> None:
    """Write subject.json into `folder`: the digest of the adapter whose figures lie there."""
    (folder / SUBJECT).write_text(json.dumps({"adapter": adapter}, indent=2) + "\n", encoding="utf-8")


def read_subject(folder: Path) -> str:
    """Digest of the adapter that was measured. Raises InputError when the folder does not say."""
    try:
        return str(json.loads((folder / SUBJECT).read_bytes())["adapter"])
    except (OSError, ValueError, KeyError, TypeError):
        hint = "give the folder that the evaluate stage wrote"
        raise InputError(f"{folder} does not say which adapter it measured", hint=hint) from None


def write_metrics(folder: Path, metrics: Metrics) -> None:
    """Write metrics.json into `folder`."""
    (folder / METRICS).write_text(json.dumps(metrics.model_dump(), indent=2) + "\n", encoding="utf-8")


def read_metrics(folder: Path) -> Metrics:
    """The figures in an evaluation folder. Raises InputError when there are none or they cannot be read."""
    try:
        return Metrics.model_validate_json((folder / METRICS).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{folder} is not an evaluation: it has no {METRICS}", hint="build it with `adapt build`") from None
    except ValidationError as error:
        raise InputError(f"{folder / METRICS} cannot be read: {error.errors()[0]['msg']}", hint="delete the folder and evaluate again") from None
