"""Watches a version after requests were shifted to it: its failures and its times, against the version
before.

Enters: a server's metrics when requests were shifted and since. Leaves: nothing, or a GateError. A failure
counts when it is the version's own: the server asks the version before, or the base, the same once more,
and a request that fails there too says nothing about the version (`adapt.serving.plugin.faults`). A few
failures are chance until a test says otherwise, so that no client can veto a roll-out by itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from adapt.errors import GateError
from adapt.serving.client import Replica
from adapt.serving.significance import binomial_at_least, fisher_greater
from adapt.spec.serving import RolloutSpec

_POLL_SECONDS = 1.0
JUDGED_FROM = 20
"""Requests from which on a median of times, or the version before, says something."""
USUAL_FAILURES = 0.01
"""Share of failures that a version is held against where the version before had too few requests."""
Samples = dict[tuple[str, str, str], float]


@dataclass(frozen=True)
class Counts:
    """Requests to one version: all that say something about it, and those that it failed."""

    total: int
    failed: int


class Window:
    """What a server's metrics say of `version` from now on, and of the version before."""

    def __init__(
        self,
        replica: Replica,
        version: str,
        before: str | None,
        rollout: RolloutSpec,
        *,
        since: Samples | None = None,
        attributed: bool = True,
    ) -> None:
        """`since`: earlier samples from which on the version before is counted; unset: from now on, as the
        version is.

        `attributed`: whether the server finds out whose failure it is; one with an older plugin does not.
        """
        self._replica, self._version, self._before, self._rollout = replica, version, before, rollout
        self._attributed = attributed
        self._start = replica.metrics()
        self._start_before = self._start if since is None else since

    def watch(self, say: Callable[[str], None], check: Callable[[], None] = lambda: None) -> None:
        """Return after `watch_seconds`. Raises GateError as soon as the version is worse than allowed,
        WorkspaceError when the
        server is gone, and what `check` raises."""
        end = time.monotonic() + self._rollout.watch_seconds
        while True:
            check()
            now = self._replica.metrics()
            counts = self._count(now, self._start, self._version)
            self._judge_failures(counts, now)
            self._judge_times(now)
            if time.monotonic() >= end:
                name = self._replica.name
                ignored = self._count_others(now)
                aside = f"; {ignored} failures were not the version's own" if ignored else ""
                say(f"{name}: {counts.total} requests watched, {counts.failed} failed{aside}")
                return
            time.sleep(min(_POLL_SECONDS, max(end - time.monotonic(), 0)))

    def _judge_failures(self, ours: Counts, now: Samples) -> None:
        allowed = max(self._rollout.min_failures - 1, self._rollout.max_error_rate * ours.total)
        if ours.failed <= allowed:
            return
        theirs = Counts(0, 0) if self._before is None else self._count(now, self._start_before, self._before)
        if theirs.total >= JUDGED_FROM:
            chance = fisher_greater(ours.failed, ours.total, theirs.failed, theirs.total)
            against = f"of {theirs.total} to {self._before} {theirs.failed}"
        else:
            usual = max(self._rollout.max_error_rate, USUAL_FAILURES)
            chance = binomial_at_least(ours.failed, ours.total, usual)
            against = f"with a share of {usual:.0%}"
        if chance < self._rollout.significance:
            failed = f"{ours.failed} of {ours.total} requests to {self._version} failed"
            raise GateError(
                f"{self._replica.name}: {failed}, {against}: by chance in {chance:.1g} of cases",
                hint="look into the server's log; rollout.max_error_rate and rollout.significance bound it",
            )

    def _judge_times(self, now: Samples) -> None:
        ours = _estimate_median(now, self._start, self._version)
        usual = self._estimate_usual(now)
        if ours and usual and ours > usual * self._rollout.max_latency_ratio:
            slower = f"{self._version} takes {ours / usual:.1f} times as long as the version before"
            raise GateError(
                f"{self._replica.name}: {slower}",
                hint="rollout.max_latency_ratio sets the bound",
            )

    def _estimate_usual(self, now: Samples) -> float | None:
        """Of the version before: in the same window, else since the server started."""
        if self._before is None:
            return None
        recent = _estimate_median(now, self._start_before, self._before)
        return recent or _estimate_median(now, {}, self._before)

    def _count(self, now: Samples, start: Samples, version: str) -> Counts:
        grown = _subtract(now, start, "adapt_requests_total", version)
        statuses = {int(status): count for status, count in grown.items()}
        answered = sum(count for status, count in statuses.items() if status != 0 and not is_failure(status))
        failed = sum(count for status, count in statuses.items() if is_failure(status))
        if self._attributed:
            failed = _subtract(now, start, "adapt_faults_total", version).get("version", 0.0)
        return Counts(total=round(answered + failed), failed=round(failed))

    def _count_others(self, now: Samples) -> int:
        causes = _subtract(now, self._start, "adapt_faults_total", self._version)
        return round(sum(count for cause, count in causes.items() if cause != "version"))


def is_failure(status: int) -> bool:
    """404 counts: the middleware lets only live names through, so the server behind it lacks what it should
    have.

    0 is a client that went away, which says nothing.
    """
    return status >= 500 or status == 404


def in_flight(replica: Replica, version: str) -> float:
    """Requests of a version under way."""
    return replica.metrics().get(("adapt_in_flight", version, ""), 0.0)


def _subtract(now: Samples, start: Samples, name: str, version: str) -> dict[str, float]:
    """What a metric of a version gained since `start`, by its further label."""
    return {key[2]: count - start.get(key, 0.0) for key, count in now.items() if key[:2] == (name, version)}


def _estimate_median(now: Samples, start: Samples, version: str) -> float | None:
    """Median time of an answer since `start`, read off the histogram; None for too few answers.

    A median, since one long answer moves a mean as far as its client likes.
    """
    grown = _subtract(now, start, "adapt_request_seconds_bucket", version)
    buckets = sorted((float(bound), count) for bound, count in grown.items())
    if not buckets or buckets[-1][1] < JUDGED_FROM:
        return None
    half = buckets[-1][1] / 2
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= half:
            return low if bound == float("inf") else low + (bound - low) * (half - below) / (count - below)
        low, below = bound, count
    return low
