"""Signs of life, on a clock of the test's own."""

import io
import sys
from itertools import pairwise

import pytest

from adapt.artifact.progress import SILENCE_SECONDS, BarProgress, LineProgress, QuietProgress, progress_for_terminal, progress_kind


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A LineProgress, looked at once a second, as its thread does."""

    def __init__(self) -> None:
        self.clock, self.lines = Clock(), list[tuple[float, str]]()
        self.progress = LineProgress(lambda text: self.lines.append((self.clock.now, text)), clock=self.clock)
        self.progress.heartbeat.start = lambda: None  # type: ignore[method-assign]

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.now += 1
            self.progress.heartbeat.look()

    def gaps(self) -> list[float]:
        times = [0.0, *(time for time, _ in self.lines), self.clock.now]
        return [after - before for before, after in pairwise(times)]


def test_a_long_call_that_reports_nothing_shows_every_half_minute_how_long_it_takes() -> None:
    log = Log()
    with log.progress.task("quantizing"):
        log.wait(200)
    assert len(log.lines) == 8
    assert max(log.gaps()) <= 30
    assert log.lines[0] == (SILENCE_SECONDS, "quantizing: 25 s so far")
    assert log.lines[-1][1] == "quantizing: 3 min so far"


def test_steps_tell_how_much_is_left() -> None:
    log = Log()
    with log.progress.task("training", total=120) as task:
        task.skip(20)
        for step in range(10):
            log.wait(6)
            task.advance()
            task.note(f"loss {step}")
    assert log.lines[0] == (25.0, "training: 24 of 120, loss 3, 25 s so far, about 10 min left")  # 96 steps of 25/4 seconds
    assert max(log.gaps()) <= 30


def test_between_tasks_the_stage_itself_is_named() -> None:
    log = Log()
    with log.progress.alive("train@alpha"):
        log.wait(26)
        with log.progress.task("tokenising"):
            log.wait(26)
        log.wait(26)
    log.wait(100)
    labels = [line.partition(":")[0] for _, line in log.lines]
    assert labels == ["train@alpha", "tokenising", "train@alpha"]


def test_what_is_said_counts_as_a_sign_of_life_and_notes_are_asked_when_they_are_due() -> None:
    log = Log()
    asked: list[int] = []
    with log.progress.task("downloading") as task:
        task.note(lambda: f"{asked.append(1) or len(asked)} MiB")
        log.wait(20)
        log.progress.say("something")
        log.wait(24)
        assert asked == []
        log.wait(1)
    assert log.lines[1:] == [(45.0, "downloading: 1 MiB, 45 s so far")]


def test_a_bar_goes_on_while_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = BarProgress()
    progress.heartbeat.start = lambda: None  # type: ignore[method-assign]
    with progress.task("compressing") as task:
        before = len(screen.getvalue())
        task.note(lambda: "7 MiB")
        progress._beat()
        assert "compressing: 00:00, 7 MiB" in screen.getvalue()[before:]


def test_who_watches_decides_and_children_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for forced, kind in (("1", BarProgress), ("0", LineProgress), ("none", QuietProgress)):
        monkeypatch.setenv("ADAPT_PROGRESS", forced)
        assert isinstance(progress := progress_for_terminal(), kind)
        assert progress_kind(progress) == forced
    monkeypatch.delenv("ADAPT_PROGRESS")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(progress_for_terminal(), LineProgress)
