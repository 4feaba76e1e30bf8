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
from adapt.sweep.chart import draw
from adapt.sweep.search import Search
from adapt.sweep.space import Settings, Space, grid
from adapt.sweep.trials import Trial, Trials


def sweep(runner: Trials, folder: Path, space: Space, *, trials: int | None, at_once: int, prune: bool, seed: int) -> list[Trial]:
    """Train the trials of `space` and return them, the lowest validation loss first, those that did not end last.

    `trials` of them by a search, or the whole grid where it is None (see `check_end`). Raises InputError for settings that make no valid spec, and
    when no trial came to its end.
    """
    runner.check(space)
    found = _search(runner, space, trials, at_once, Search(space, seed=seed, prune=prune)) if trials is not None else _grid(runner, space, at_once)
    found.sort(key=lambda trial: (trial.outcome != "done", trial.validation_loss or 0.0, trial.number))
    if all(trial.outcome != "done" for trial in found):
        raise InputError(f"none of {len(found)} trials came to its end: {found[0].reason}", hint="mend what it says, or try other values")
    _write(folder, runner.name, found)
    return found


def _grid(runner: Trials, space: Space, at_once: int) -> list[Trial]:
    wanted = dict(enumerate(grid(space), 1))
    for settings in wanted.values():
        runner.section(settings)  # a setting that is not valid is said before anything is trained
    return _rounds(wanted, at_once, runner.run)


def _search(runner: Trials, space: Space, trials: int, at_once: int, search: Search) -> list[Trial]:
    found: list[Trial] = []
    while len(found) < trials:
        numbers = range(len(found) + 1, min(len(found) + at_once, trials) + 1)
        done = runner.run({number: search.ask(number) for number in numbers}, search.report)
        for trial in done:
            search.tell(trial.number, trial.validation_loss, pruned=trial.outcome == "pruned")
        found += done
    return found


def _rounds(wanted: dict[int, Settings], at_once: int, run: Callable[[dict[int, Settings]], list[Trial]]) -> list[Trial]:
    numbers = list(wanted)
    rounds = (numbers[start : start + at_once] for start in range(0, len(numbers), at_once))
    return [trial for some in rounds for trial in run({number: wanted[number] for number in some})]


def _write(folder: Path, name: str, trials: Sequence[Trial]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"adapter": name, "trials": [asdict(trial) for trial in trials]}
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "losses.svg").write_text(draw(f"Validation loss of {name} by step", trials), encoding="utf-8")
