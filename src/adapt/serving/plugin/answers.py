"""An answer on its way out: the version's name becomes the one that was asked for, and the tokens that it took are counted.

Works on the JSON text: inside a JSON string a quotation mark is written `\\"`, so `"model":"finance@..."` can only be the field itself.
"""

import json
from collections.abc import Callable

_LINE_LIMIT = 8 << 20
"""A line of a stream that is longer is passed on as it is."""
_NOT_LOADED = b"could not be loaded"
"""What vLLM 0.32 says, with status 400, of a version that the resolver gave it and that it then refused."""


class Renamer:
    """Rewrites one answer, piece by piece."""

    def __init__(self, version: str, shown: str, *, hide_usage: bool, spends: Callable[[int, int], None]) -> None:
        """`hide_usage`: the stream's last event, with the tokens, was asked for by us and not by the client."""
        self._forms = [(f'"model":{gap}"{version}"'.encode(), f'"model":{gap}"{shown}"'.encode()) for gap in ("", " ")]
        self._hide_usage, self._spends = hide_usage, spends
        self._rest = b""
        self._after_hidden = False
        self._spent = (0, 0)
        self.failed = False
        """Whether the answer says, where its status does not, that the server failed."""

    def whole(self, body: bytes, *, status: int) -> bytes:
        """A complete JSON answer."""
        self._read(body)
        self.failed = (self.failed and status == 200) or (status == 400 and _NOT_LOADED in body)
        return self._renamed(body)

    def settle(self) -> None:
        """The answer is over: count its tokens, once. A stream may name them in every event, each time all that it took so far."""
        if any(self._spent):
            self._spends(*self._spent)
        self._spent = (0, 0)

    def piece(self, piece: bytes, *, last: bool) -> bytes:
        """A part of a stream of server-sent events; returns what may go out."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        kept = [line + b"\n" for line in map(self._line, lines) if line is not None]
        if last or len(self._rest) > _LINE_LIMIT:
            kept.append(self._line(self._rest) or b"")
            self._rest = b""
        return b"".join(kept)

    def _line(self, line: bytes) -> bytes | None:
        """One line as it goes out; None for one that does not, and for the empty line after it."""
        if self._after_hidden and not line.strip():
            self._after_hidden = False
            return None
        told = line.startswith(b"data:") and (b'"usage"' in line or b'"error"' in line)
        if told and self._read(line[5:]) and self._hide_usage:
            self._after_hidden = True
            return None
        return self._renamed(line)

    def _read(self, text: bytes) -> bool:
        """Keep the tokens that `text` names, and whether it is an error; whether it is an event that names tokens and nothing else."""
        try:
            content = json.loads(text)
            self.failed = self.failed or bool(content.get("error"))
            usage = content.get("usage") or {}
            if usage:
                self._spent = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
            return bool(usage) and content.get("choices") == []
        except (ValueError, TypeError, AttributeError, RecursionError):
            return False

    def _renamed(self, text: bytes) -> bytes:
        for old, new in self._forms:
            text = text.replace(old, new)
        return text
