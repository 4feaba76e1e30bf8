"""Whose failure it was: a version's, or that of the request.

Enters: a request that a version failed, while a roll-out of its name is under way. Leaves: a count by
cause. The same request is put once more to the last good version, or to the base where that is the one that
failed, for a few tokens and without a stream: what fails there too says nothing about the version. Bounded
in number, so that a client who sends such requests in masses makes little work; those beyond the bound
count for nothing. Nothing of a request is kept.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .counts import FAULTS
from .exchange import App, Message, Scope, dump, replay, with_length
from .rollouts import read_rollouts

_PER_MINUTE = 30
_WAITING = 4
_SECONDS = 60.0
_TOKENS = 16
_LENGTHS = ("max_tokens", "max_completion_tokens")
_LEFT_OUT = (*_LENGTHS, "min_tokens", "stream", "stream_options")


class Faults:
    """Finds the cause of failures, one at a time."""

    def __init__(
        self,
        app: App,
        rollouts: Path,
        base: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rollouts` is the journal's file, `base` the base model's name."""
        self._app, self._rollouts, self._base, self._clock = app, rollouts, base, clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._asked: deque[float] = deque()

    async def count(self, scope: Scope, body: dict[str, Any], *, adapter: str, version: str) -> None:
        """Count a failure of `version` by its cause, where its adapter is being rolled out.

        `body` is the request as it was sent on.
        """
        good = self._good_during_rollout(adapter)
        if good is None:
            return
        cause = "unchecked"
        if self._may_ask():
            self._waiting += 1
            try:
                async with self._turn:
                    elsewhere = await self._fails_elsewhere(scope, body, good, version)
                    cause = "request" if elsewhere else "version"
            finally:
                self._waiting -= 1
        FAULTS.labels(adapter, version, cause).inc()

    def _may_ask(self) -> bool:
        now = self._clock()
        while self._asked and now - self._asked[0] > 60:
            self._asked.popleft()
        if len(self._asked) >= _PER_MINUTE or self._waiting >= _WAITING:
            return False
        self._asked.append(now)
        return True

    async def _fails_elsewhere(self, scope: Scope, body: dict[str, Any], good: str, version: str) -> bool:
        """Whether the last good version fails too; the base where that is not there to be asked, or is
        `version`."""
        if good and good != version:
            status = await self._ask(scope, body, good)
            if not 400 <= status < 500:  # else the version itself could not be loaded
                return status >= 500
        return await self._ask(scope, body, self._base) >= 500

    async def _ask(self, scope: Scope, body: dict[str, Any], model: str) -> int:
        """Status of the same request to `model`; 500 for one that breaks, or does not end in time."""
        asked = {name: value for name, value in body.items() if name not in _LEFT_OUT}
        lengths = [value for name in _LENGTHS if isinstance(value := body.get(name), int)]
        content = dump({**asked, "model": model, "max_tokens": max(1, min([_TOKENS, *lengths]))})
        statuses: list[int] = []

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

        async def wait() -> Message:
            await asyncio.Event().wait()  # this client does not go away
            raise AssertionError

        try:
            answer = self._app(with_length(scope, content), replay(content, wait), send)
            await asyncio.wait_for(answer, _SECONDS)
        except Exception:
            return 500
        return statuses[0] if statuses else 500

    def _good_during_rollout(self, adapter: str) -> str | None:
        """The last good version of an adapter that is being rolled out, empty where there is none; None
        where it is not."""
        try:
            state = (read_rollouts(self._rollouts) or {}).get(adapter)
        except ValueError:
            return None
        return None if state is None or state.under_way is None else state.good or ""
