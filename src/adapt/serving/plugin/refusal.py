"""Why something is not served or not answered, and a log that says each reason once."""

import logging
from collections import OrderedDict

log = logging.getLogger("vllm.adapt_serving")  # below vLLM's own, which has the server's handler
_REMEMBERED = 1_000


class RefusedError(Exception):
    """An adapter that is not served; the text says why, without paths of the machine."""


class LogOnce:
    """Logs each reason against a name once; the oldest are forgotten, so that it cannot grow."""

    def __init__(self) -> None:
        self._said: OrderedDict[tuple[str, str], None] = OrderedDict()

    def warn(self, name: str, reason: str) -> None:
        if (name, reason) in self._said:
            return
        self._said[name, reason] = None
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        log.warning("%s is not served: %s", name, reason)
