"""The training loop: the steps of one adapter, or of several over one base, in turn or in shared forward passes.

Enters: lanes. Leaves: each lane with its best weights: the bytes it would have alone, but for lanes that ask for shared passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from adapt.adapter.cotraining import SharedPasses, grouped
from adapt.adapter.lane import Lane
from adapt.adapter.methods.frozen import Base
from adapt.artifact.progress import Progress
from adapt.errors import InputError

Outcome = bool | InputError
"""Of a step: whether there was one to take, or why the training stopped."""


class Trainer:
    """K >= 1 trainings that take their steps in turn."""

    def __init__(self, lanes: Sequence[Lane], *, base: Base, done: Callable[[Lane], None]) -> None:
        """`done` is called with a lane as soon as it has its best weights, while others go on, so that what it writes outlasts a crash of theirs.

        Lanes that share forward passes run them over `base`.
        """
        self.lanes, self._base, self._done = lanes, base, done
        self._failed: dict[Lane, InputError] = {}

    def run(self, progress: Progress) -> dict[Lane, InputError]:
        """Train every lane to its end, from its checkpoint if there is one, and return why which did not get there.

        A lane whose loss is not finite drops out and the others go on.
        """
        with reproducible(), progress.task("training", total=sum(lane.plan.steps for lane in self.lanes)) as task:
            for lane in self.lanes:
                lane.note = task.note
            going = [lane for lane in self.lanes if self._goes_on(lane, _failure(lane, Lane.start) or True)]
            task.skip(sum(lane.state.step for lane in going))
            turns = [self._turns(group) for group in grouped(going)]
            while turns:
                for group in tuple(turns):
                    taken = next(group, None)
                    if taken is None:
                        turns.remove(group)
                    else:
                        task.advance(len(taken))
                        task.note(taken[-1].summary())
        return self._failed

    def _turns(self, lanes: Sequence[Lane]) -> Iterator[Sequence[Lane]]:
        """The lanes of a group that took a step, turn by turn, until all are over."""
        turn = SharedPasses(self._base, lanes).turn if len(lanes) > 1 else _alone
        while lanes := [lane for lane, outcome in list(turn(lanes)) if self._goes_on(lane, outcome)]:
            yield lanes

    def _goes_on(self, lane: Lane, outcome: Outcome) -> bool:
        """Whether a lane's training leaves something to do; a lane that is over is finished."""
        if outcome is True:
            return True
        if outcome is False:
            outcome = _failure(lane, Lane.finish) or _failure(lane, self._done) or False
        if isinstance(outcome, InputError):
            self._failed[lane] = outcome
        return False


def _alone(lanes: Sequence[Lane]) -> Iterator[tuple[Lane, Outcome]]:
    for lane in lanes:
        try:
            yield lane, lane.turn()
        except InputError as error:
            yield lane, error


def _failure(lane: Lane, part: Callable[[Lane], None]) -> InputError | None:
    try:
        part(lane)
    except InputError as error:
        return error
    return None


@contextmanager
def reproducible() -> Iterator[None]:
    """Kernels that give the same bytes each time; what was set before is set again afterwards."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # its setting is a property that stubs do not know
    filling = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # costs a pass over every new tensor, and nothing here reads unset memory
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = filling
