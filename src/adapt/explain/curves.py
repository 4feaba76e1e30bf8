"""Loss curves as one page that needs no network: what `dvc plots show` loads from elsewhere, this page holds
itself.

Enters: folders of curves as the training stages leave them, one tsv file a curve, in the workspace or at a
revision. Leaves: an HTML page with a chart for each curve, and a line in it for each training and revision.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path, PurePosixPath

from adapt.errors import InputError
from adapt.explain.chart import Line, draw_lines
from adapt.explain.revisions import WORKSPACE, fetch_folder

Curves = Mapping[str, list[tuple[int, float]]]
"""Points by the name of the curve, such as `validation/loss`."""
_METRICS = PurePosixPath("plots/metrics")


def read_curves(folder: Path) -> Curves:
    """The curves in a folder; empty where it holds none. Raises InputError for a file that is no curve."""
    root = folder / _METRICS
    return {path.relative_to(root).with_suffix("").as_posix(): _read(path) for path in sorted(root.rglob("*.tsv"))}


def curves_at(root: Path, folder: Path, revision: str) -> Curves:
    """The curves of `folder` (relative to the workspace `root`) at `workspace` or a revision. Raises
    InputError where it cannot be had."""
    if revision == WORKSPACE:
        return read_curves(root / folder)
    with fetch_folder(root, folder, revision) as copy:
        return read_curves(copy)


def draw_page(title: str, trainings: Iterable[tuple[str, Curves]]) -> str:
    """The page for trainings by their labels."""
    charts: dict[str, list[Line]] = defaultdict(list)
    for label, curves in trainings:
        for name, points in curves.items():
            charts[name].append(Line(label, points))
    ordered = sorted(charts.items(), key=lambda chart: _turn(chart[0]))
    body = "\n".join(draw_lines(name, lines) for name, lines in ordered)
    style = "body{font-family:system-ui,sans-serif;margin:2em}svg{display:block;margin-bottom:2em}"
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{style}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n<h1>{escape(title)}</h1>\n{body}</body></html>\n'


def _turn(name: str) -> tuple[bool, bool, str]:
    """Validation first, then training, then the rest."""
    return not name.startswith("validation/"), not name.startswith("train/"), name


def _read(path: Path) -> list[tuple[int, float]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))
        return [(int(step), float(value)) for step, value in rows[1:]]
    except (ValueError, UnicodeDecodeError):
        message = f"{path} is no curve: a column of steps and one of values are expected"
        raise InputError(message, hint="build the training again") from None
