"""Requests and answers as ASGI messages: bodies read up to a limit, sent on with other content, and answers in OpenAI's error shape."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .answers import Renamer
from .counts import Visit

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

USER_HEADER = b"x-adapt-user"
_MAX_USER = 1_000
_DISCARDED = 4
"""How much of a body that is too long is read and thrown away, as a multiple of the limit."""


class TurnedAwayError(Exception):
    """A request that is answered at the door; `reason` is a short word for the metrics."""

    def __init__(self, status: int, reason: str, message: str, *, kind: str = "invalid_request_error", param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.kind, self.param = status, reason, message, kind, param


class Sender:
    """Sends an answer back through a renamer."""

    def __init__(self, send: Send, visit: Visit, renamer: Renamer) -> None:
        self._send, self._visit, self._renamer = send, visit, renamer
        self._start: Message | None = None
        self._streams = False
        self._body = bytearray()
        self._status = 0
        self._complete = False

    @property
    def outcome(self) -> int:
        """Status for the counts: 500 for an error that was sent in the middle of a stream, 0 when the client went before the end."""
        if self._renamer.failed:
            return 500
        return self._status if self._complete else 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._streams = any(name.lower() == b"content-type" and b"event-stream" in value for name, value in message["headers"])
            self._start = message
            if self._streams:
                await self._send(message)
        elif message["type"] == "http.response.body":
            await self._send_body(message.get("body", b""), last=not message.get("more_body", False))

    async def _send_body(self, body: bytes, *, last: bool) -> None:
        self._complete = last
        if self._streams:
            self._visit.sends_body()
            await self._send({"type": "http.response.body", "body": self._renamer.piece(body, last=last), "more_body": not last})
            return
        self._body += body
        if not last or self._start is None:
            return
        self._visit.sends_body()
        whole = self._renamer.whole(bytes(self._body), status=self._status)
        headers = [(name, value) for name, value in self._start["headers"] if name.lower() != b"content-length"]
        await self._send({**self._start, "headers": [*headers, (b"content-length", str(len(whole)).encode())]})
        await self._send({"type": "http.response.body", "body": whole})


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The request's body. Raises TurnedAwayError when it is too long; no more than `limit` bytes are ever kept."""
    announced = next((value for name, value in scope["headers"] if name.lower() == b"content-length"), b"0")
    if not announced.isdigit() or int(announced) > limit:
        await _discard(receive, _DISCARDED * limit)
        raise _too_long(limit)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise TurnedAwayError(400, "broken", "the request broke off")
        body += message.get("body", b"")
        if len(body) > limit:
            if message.get("more_body", False):
                await _discard(receive, _DISCARDED * limit)
            raise _too_long(limit)
        if not message.get("more_body", False):
            return bytes(body)


async def _discard(receive: Receive, most: int) -> None:
    """Read what a client is still sending, up to a bound: one that is cut off while it sends never sees the answer."""
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def limited(receive: Receive, limit: int) -> Receive:
    """`receive` that ends a body that is too long; the routes behind it read at most that much."""
    seen = 0

    async def within() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        return {"type": "http.disconnect"} if seen > limit else message

    return within


def replay(content: bytes, receive: Receive) -> Receive:
    """`receive` that gives the new body once, and then waits for the client to go."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": content, "more_body": False}

    return again


def with_length(scope: Scope, content: bytes) -> Scope:
    dropped = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name.lower() not in dropped]
    return {**scope, "headers": [*headers, (b"content-length", str(len(content)).encode())]}


def parse(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise TurnedAwayError(400, "body", "the body is not a JSON object")
    return body


def check_choices(body: dict[str, Any], limit: int) -> None:
    """Raise TurnedAwayError for a request of more answers than `limit`, or one that does not say how many it wants."""
    wanted = 1
    for field in ("n", "best_of"):
        value = body.get(field)
        if value is None:
            continue
        if type(value) is not int or value < 1:
            raise TurnedAwayError(400, "body", f"{field} must be a whole number, at least 1", param=field)
        wanted = max(wanted, value)
    prompt = body.get("prompt")
    several = isinstance(prompt, list) and any(isinstance(each, str | list) for each in prompt)
    prompts = len(prompt) if several and isinstance(prompt, list) else 1
    if wanted * prompts > limit:
        param = "n" if wanted > 1 else "prompt"
        asked = f"{prompts} prompts with {wanted} answers each" if prompts > 1 else f"{wanted} answers"
        raise TurnedAwayError(400, "choices", f"{asked} are asked for, and one request gets {limit} at most", param=param)


def dump(body: dict[str, Any]) -> bytes:
    """ASCII JSON: a lone surrogate, which JSON may name and UTF-8 may not hold, stays as it was written."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def ask_for_usage(body: dict[str, Any]) -> bool:
    """Have a stream end with the tokens that it took; whether the client did not ask for that. Raises TurnedAwayError for an unclear `stream`."""
    streams, options = body.get("stream"), body.get("stream_options")
    if streams is not None and not isinstance(streams, bool):
        raise TurnedAwayError(400, "body", "stream must be true or false", param="stream")
    if not streams or not isinstance(options, dict | None) or (options or {}).get("include_usage") is True:
        return False
    body["stream_options"] = {**(options or {}), "include_usage": True, "continuous_usage_stats": False}
    return True


def user_of(body: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> str | None:
    given = body.get("user")
    if isinstance(given, str) and given:
        return given[:_MAX_USER]
    return next((value[:_MAX_USER].decode("latin-1") for name, value in headers if name.lower() == USER_HEADER), None)


def _too_long(limit: int) -> TurnedAwayError:
    return TurnedAwayError(413, "length", f"the body is longer than {limit} bytes")


def error_body(turned: TurnedAwayError) -> dict[str, Any]:
    """OpenAI's shape of an error."""
    return {"error": {"message": turned.message, "type": turned.kind, "param": turned.param, "code": turned.status}}


async def send_json(send: Send, status: int, value: Any) -> None:
    content = json.dumps(value).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
