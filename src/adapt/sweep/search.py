"""Which settings to try next, and which trials to give up: by Optuna.

Tree-structured Parzen estimators choose (Bergstra et al. 2011, NeurIPS); a trial is given up when its validation loss is worse than the median of
the others at that step. Seeded: with trials one after another, the same losses give the same trials.
"""

from __future__ import annotations

from typing import Any

from adapt.errors import InputError, WorkspaceError
from adapt.sweep.space import Choices, Settings, Space

_FIRST_TRIALS = 4
"""Trials before any is given up."""


class PrunedError(InputError):
    """A trial is given up."""


class Search:
    """A running search. Raises WorkspaceError on construction when Optuna is not installed."""

    def __init__(self, space: Space, *, seed: int, prune: bool) -> None:
        try:
            import optuna
        except ImportError:
            raise WorkspaceError(
                "a search needs Optuna, which is not installed", hint="pip install 'adapt-build[sweep]', or give choices alone"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=_FIRST_TRIALS) if prune else optuna.pruners.NopPruner()
        self._study = optuna.create_study(direction="minimize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
        self._pruned = optuna.trial.TrialState.PRUNED
        self._failed = optuna.trial.TrialState.FAIL
        self._space = space
        self._trials: dict[int, Any] = {}

    def ask(self, number: int) -> Settings:
        """Settings for trial `number`."""
        trial = self._trials[number] = self._study.ask()
        return {path: self._suggest(trial, path) for path in self._space}

    def report(self, number: int, step: int, loss: float) -> None:
        """Tell a validation loss. Raises PrunedError when the trial is not worth going on with."""
        trial = self._trials[number]
        trial.report(loss, step)
        if trial.should_prune():
            raise PrunedError(f"trial {number} was given up at step {step}: others had a lower validation loss by then")

    def tell(self, number: int, loss: float | None, *, pruned: bool = False) -> None:
        """Tell how a trial ended: its best validation loss, or None when it was given up or failed."""
        if loss is not None:
            self._study.tell(self._trials[number], loss)
        else:
            self._study.tell(self._trials[number], state=self._pruned if pruned else self._failed)

    def _suggest(self, trial: Any, path: str) -> Any:
        values = self._space[path]
        if isinstance(values, Choices):
            return values.values[trial.suggest_categorical(path, range(len(values.values)))]
        if values.kind == "int":
            return trial.suggest_int(path, int(values.low), int(values.high))
        return float(f"{trial.suggest_float(path, values.low, values.high, log=values.kind == 'log'):.4g}")
