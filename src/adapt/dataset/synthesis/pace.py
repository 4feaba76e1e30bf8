"""When the next request may be sent: a rate limit of our own, and the pauses that a server asks for."""

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LONGEST_PAUSE_SECONDS = 600.0


class Pace:
    """Spaces requests evenly; None: no limit but the server's."""

    def __init__(self, requests_per_minute: float | None) -> None:
        self._interval = 60 / requests_per_minute if requests_per_minute else 0.0
        self._next = self._held_until = 0.0

    async def wait(self) -> None:
        """Return when a request may be sent, and count it as sent."""
        clock = asyncio.get_running_loop().time
        while (gap := max(self._next, self._held_until) - clock()) > 0:
            await asyncio.sleep(gap)  # of those that wake together one goes, and the others find a later slot
        self._next = clock() + self._interval

    def hold(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)


def read_retry_after(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or a date (RFC 9110, 10.2.3), ten minutes at most; None without a usable one."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return min(float(header), _LONGEST_PAUSE_SECONDS)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    gap = (until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(gap.total_seconds(), 0.0), _LONGEST_PAUSE_SECONDS)
