"""Watches a version after requests were shifted to it: its errors, and its time for an answer against the version before."""

import time
from collections.abc import Callable

from adapt.errors import GateError
from adapt.serving.client import Replica
from adapt.spec.serving import RolloutSpec

_POLL_SECONDS = 1.0
_JUDGED_FROM = 20
"""Requests from which on a mean time says something."""
Samples = dict[tuple[str, str, str], float]


class Window:
    """What a server's metrics say of `version` from now on."""

    def __init__(self, replica: Replica, version: str, before: dict[str, float], rollout: RolloutSpec) -> None:
        self._replica, self._version, self._rollout = replica, version, rollout
        self._start = replica.metrics()
        self._usual = _mean_seconds(self._start, {}, list(before))

    def watch(self, say: Callable[[str], None]) -> None:
        """Return after `watch_seconds`. Raises GateError as soon as the version is worse than allowed, WorkspaceError when the server is gone."""
        end = time.monotonic() + self._rollout.watch_seconds
        while True:
            now = self._replica.metrics()
            self._check(now)
            if time.monotonic() >= end:
                count = sum(_statuses(now, self._start, self._version).values())
                say(f"{self._replica.name}: {count:.0f} requests watched")
                return
            time.sleep(min(_POLL_SECONDS, max(end - time.monotonic(), 0)))

    def _check(self, now: Samples) -> None:
        statuses = _statuses(now, self._start, self._version)
        failed = sum(count for status, count in statuses.items() if _is_failure(int(status)))
        total = sum(statuses.values())
        if failed and failed / total > self._rollout.max_error_rate:
            raise GateError(
                f"{self._replica.name}: {failed:.0f} of {total:.0f} requests to {self._version} failed", hint="look into the server's log"
            )
        usual, found = self._usual, _mean_seconds(now, self._start, [self._version])
        if usual and found and found > usual * self._rollout.max_latency_ratio:
            raise GateError(
                f"{self._replica.name}: {self._version} takes {found / usual:.1f} times as long as the version before",
                hint="rollout.max_latency_ratio sets the bound",
            )


def _is_failure(status: int) -> bool:
    """404 counts: the door lets only live names through, so the server behind it lacks what it should have. 0 is a client that went away."""
    return status >= 500 or status == 404


def in_flight(replica: Replica, version: str) -> float:
    """Requests of a version under way."""
    return replica.metrics().get(("adapt_in_flight", version, ""), 0.0)


def _statuses(now: Samples, start: Samples, version: str) -> dict[str, float]:
    """Requests since `start` by status."""
    return {key[2]: count - start.get(key, 0.0) for key, count in now.items() if key[:2] == ("adapt_requests_total", version)}


def _mean_seconds(now: Samples, start: Samples, versions: list[str]) -> float | None:
    """Mean time of an answer since `start`; None for too few answers."""

    def grown(sample: str) -> float:
        keys = [(f"adapt_request_seconds_{sample}", version, "") for version in versions]
        return sum(now.get(key, 0.0) - start.get(key, 0.0) for key in keys)

    return grown("sum") / grown("count") if grown("count") >= _JUDGED_FROM else None
