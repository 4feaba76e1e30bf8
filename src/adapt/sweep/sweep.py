"""Tries settings of one spec: a grid, or a search; leaves a comparison, and every trial as a DVC experiment.

Enters: a workspace whose data set of the adapter is built, and what to try. Leaves `sweeps/<name>/`: report.json and losses.svg, the best trial
first.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapt.errors import InputError
from adapt.spec.comparison import LOSS, METRICS
from adapt.sweep.chart import draw
from adapt.sweep.search import Search
from adapt.sweep.space import Settings, Space, grid
from adapt.sweep.trials import Trial, Trials


def sweep(
    runner: Trials,
    folder: Path,
    space: Space,
    *,
    metric: str = LOSS,
    trials: int | None,
    at_once: int,
    prune: bool,
    seed: int,
) -> list[Trial]:
    """Train the trials of `space` and return them, the best by `metric` first, those that did not end last.

    `trials` of them by a search, or the whole grid where it is None (see `check_end`). Raises InputError for settings that make no valid spec, for
    trials that `metric` does not compare, and when no trial came to its end.
    """
    runner.check_settings(space, metric)
    runner.check(space)
    sign = -1 if metric != LOSS and METRICS[metric].largest else 1
    if trials is None:
        found = runner.scored(_grid(runner, space, at_once), metric, space)
    else:
        search = Search(space, seed=seed, prune=prune and metric == LOSS)
        found = _search(runner, space, trials, at_once, search, lambda done: runner.scored(done, metric, space), sign)
    if metric == LOSS:
        _check_same_records(found)
    found.sort(key=lambda trial: (trial.outcome != "done", sign * (trial.score or 0.0), trial.number))
    if all(trial.outcome != "done" for trial in found):
        raise InputError(f"none of {len(found)} trials came to its end: {found[0].reason}", hint="mend what it says, or try other values")
    _write(folder, runner.name, metric, found)
    return found


def _check_same_records(trials: Sequence[Trial]) -> None:
    """Raise InputError when some trials left out validation records that others measured."""
    counts = {trial.validation_records for trial in trials if trial.outcome == "done"}
    if len(counts) > 1:
        raise InputError(
            f"trials measured {', '.join(map(str, sorted(filter(None, counts))))} validation records, so their losses cannot be compared",
            hint="name a metric on the records that all of them read, such as --metric answer_loss",
        )


def _grid(runner: Trials, space: Space, at_once: int) -> list[Trial]:
    wanted = dict(enumerate(grid(space), 1))
    for settings in wanted.values():
        runner.section(settings)  # a setting that is not valid is said before anything is trained
    return _rounds(wanted, at_once, runner.run)


def _search(
    runner: Trials,
    space: Space,
    trials: int,
    at_once: int,
    search: Search,
    scored: Callable[[list[Trial]], list[Trial]],
    sign: int,
) -> list[Trial]:
    """Trials that `search` asks for; it is told each score times `sign`, so that less is better."""
    found: list[Trial] = []
    while len(found) < trials:
        numbers = range(len(found) + 1, min(len(found) + at_once, trials) + 1)
        done = scored(runner.run({number: search.ask(number) for number in numbers}, search.report))
        for trial in done:
            figure = None if trial.score is None else sign * trial.score
            search.tell(trial.number, figure, pruned=trial.outcome == "pruned")
        found += done
    return found


def _rounds(wanted: dict[int, Settings], at_once: int, run: Callable[[dict[int, Settings]], list[Trial]]) -> list[Trial]:
    numbers = list(wanted)
    rounds = (numbers[start : start + at_once] for start in range(0, len(numbers), at_once))
    return [trial for some in rounds for trial in run({number: wanted[number] for number in some})]


def _write(folder: Path, name: str, metric: str, trials: Sequence[Trial]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"adapter": name, "metric": metric, "trials": [asdict(trial) for trial in trials]}
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "losses.svg").write_text(draw(f"Validation loss of {name} by step", trials), encoding="utf-8")
