"""Prometheus metrics by adapter and version, in the registry that the server shows under /metrics.

Names that label a series come from the alias file and the store, never from a request, so that nobody can make the series grow.
"""

import time
from dataclasses import dataclass, field

from prometheus_client import Counter, Gauge, Histogram

_LABELS = ("adapter", "version")
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
REQUESTS = Counter("adapt_requests", "Answered requests, by HTTP status.", (*_LABELS, "status"))
REFUSED = Counter("adapt_refused", "Requests that were rejected before they reached vLLM.", ("reason",))
FAULTS = Counter(
    "adapt_faults",
    "Failures during a roll-out, by cause: the version, the request (it fails elsewhere too), or unchecked.",
    (*_LABELS, "cause"),
)
TOKENS = Counter("adapt_tokens", "Tokens of prompts and of answers.", (*_LABELS, "kind"))
IN_FLIGHT = Gauge("adapt_in_flight", "Requests under way.", _LABELS, multiprocess_mode="livesum")
SECONDS = Histogram("adapt_request_seconds", "Time until the whole answer was sent.", _LABELS, buckets=_SECONDS)
FIRST_SECONDS = Histogram("adapt_first_byte_seconds", "Time until the first part of the answer's body was sent.", _LABELS, buckets=_SECONDS)


@dataclass
class Visit:
    """One request to one version: begins when it is made, ends with `finish`."""

    adapter: str
    version: str
    _start: float = field(default_factory=time.perf_counter)
    _first: bool = True

    def __post_init__(self) -> None:
        IN_FLIGHT.labels(self.adapter, self.version).inc()

    def sends_body(self) -> None:
        """A part of the answer's body goes out."""
        if self._first:
            self._first = False
            FIRST_SECONDS.labels(self.adapter, self.version).observe(time.perf_counter() - self._start)

    def spends(self, prompt_tokens: int, answer_tokens: int) -> None:
        """What the server says that the request took."""
        TOKENS.labels(self.adapter, self.version, "prompt").inc(prompt_tokens)
        TOKENS.labels(self.adapter, self.version, "answer").inc(answer_tokens)

    def finish(self, status: int) -> None:
        """The answer is complete, the server failed in the middle of it (500 then), or the client went away before its end (0)."""
        IN_FLIGHT.labels(self.adapter, self.version).dec()
        REQUESTS.labels(self.adapter, self.version, str(status)).inc()
        SECONDS.labels(self.adapter, self.version).observe(time.perf_counter() - self._start)
