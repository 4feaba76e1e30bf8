"""What rolls a version back while it is watched, and what does not."""

from typing import Any

import pytest

from adapt.errors import GateError
from adapt.serving.watch import Window
from adapt.spec.serving import RolloutSpec
from tests.serving.test_deploy import times, traffic

NEW, OLD = "finance@000000000002", "finance@000000000001"
Samples = dict[tuple[str, str, str], float]


class Metrics:
    """A server by its metrics alone."""

    name = "server"

    def __init__(self, *samples: Samples) -> None:
        self._samples = list(samples)

    def metrics(self) -> Samples:
        return self._samples.pop(0) if len(self._samples) > 1 else self._samples[0]


def watch(
    *samples: Samples,
    before: str | None = OLD,
    since: Samples | None = None,
    attributed: bool = True,
    **bounds: Any,
) -> str:
    """What is said of the version at the end."""
    said: list[str] = []
    replica: Any = Metrics(*samples)
    rollout = RolloutSpec(watch_seconds=0, **bounds)
    Window(replica, NEW, before, rollout, since=since, attributed=attributed).watch(said.append)
    return said[0]


def test_requests_that_fail_elsewhere_too_veto_nothing() -> None:
    said = watch({}, traffic(NEW, answered=5, requests=500) | traffic(OLD, answered=100))
    assert said == "server: 5 requests watched, 0 failed; 500 failures were not the version's own"


@pytest.mark.parametrize(
    ("ours", "theirs", "allowed"),
    [
        ((18, 2), (100, 0), True),  # two are too few to say
        ((17, 3), (20, 0), True),  # 20!/(17!3!)/C(40,3) = 0.115
        ((17, 3), (300, 0), False),
        ((14, 6), (20, 0), True),  # C(20,6)/C(40,6) = 0.0101
        ((13, 7), (20, 0), False),  # C(20,7)/C(40,7) = 0.0042
        ((90, 10), (90, 10), True),  # as the version before
        ((0, 3), (20, 0), False),  # 1/C(23,3) = 0.0006
    ],
)
def test_failures_are_judged_against_the_version_before_in_the_same_window(
    ours: tuple[int, int],
    theirs: tuple[int, int],
    allowed: bool,
) -> None:
    earlier = traffic(OLD, answered=10_000, own=5_000)  # before the window: counts for nothing
    late = traffic(NEW, answered=ours[0], own=ours[1])
    late |= traffic(OLD, answered=10_000 + theirs[0], own=5_000 + theirs[1])
    if allowed:
        watch(earlier, late)
        return
    expected = rf"{ours[1]} of {sum(ours)} requests to {NEW} failed, of {sum(theirs)} to {OLD} {theirs[1]}"
    with pytest.raises(GateError, match=expected):
        watch(earlier, late)


def test_version_before_is_counted_from_the_start_once_it_has_no_requests_any_more() -> None:
    first = traffic(OLD, answered=10)
    then = traffic(OLD, answered=40, own=20)
    with pytest.raises(GateError, match="with a share of 1%"):
        watch(then, then | traffic(NEW, answered=15, own=5))
    watch(then, then | traffic(NEW, answered=15, own=5), since=first)


@pytest.mark.parametrize(("answered", "own", "allowed"), [(17, 3, False), (997, 3, True), (0, 2, True)])
def test_first_version_is_held_against_a_small_share(answered: int, own: int, allowed: bool) -> None:
    if allowed:
        watch({}, traffic(NEW, answered=answered, own=own), before=None)
        return
    with pytest.raises(GateError, match="with a share of 1%"):
        watch({}, traffic(NEW, answered=answered, own=own), before=None)


def test_bounds_come_from_the_workspace() -> None:
    samples = {}, traffic(NEW, answered=14, own=6) | traffic(OLD, answered=20)
    watch(*samples)
    watch(*samples, significance=0.02, max_error_rate=0.3)
    with pytest.raises(GateError, match="6 of 20"):
        watch(*samples, significance=0.02)
    with pytest.raises(GateError, match="1 of 1"):
        watch({}, traffic(NEW, own=1) | traffic(OLD, answered=200), min_failures=1)


@pytest.mark.parametrize(("status", "allowed"), [("0", True), ("400", True), ("404", False), ("500", False)])
def test_server_that_finds_no_causes_is_judged_by_its_statuses(status: str, allowed: bool) -> None:
    samples = {}, {("adapt_requests_total", NEW, status): 5.0}
    if allowed:
        watch(*samples, attributed=False)
        return
    with pytest.raises(GateError, match="5 of 5"):
        watch(*samples, attributed=False)


def test_one_long_answer_is_not_a_slow_version() -> None:
    long_one = {key: count + (key[2] == "inf") for key, count in times(NEW, 0.5, 30).items()}
    watch({}, times(OLD, 0.5, 30) | long_one)
    with pytest.raises(GateError, match=r"takes 8\.0 times as long"):
        watch({}, times(OLD, 0.5, 30) | times(NEW, 4.0, 30))
