"""The server for a machine without vLLM: the same routes, the same door, one request at a time.

Enters: something that speaks for the base and for versions (`Speaker`), which the command line makes of transformers and peft. Leaves: an ASGI
application, to be put behind `adapt.serving.plugin.gate.Gate` as vLLM is. It is for trying an adapter out; vLLM is for serving it.
"""

import asyncio
import json
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from adapt.serving.plugin.exchange import App, Message, Receive, Scope, Send, send_json
from adapt.serving.plugin.refusal import LogOnce, RefusedError

_DEFAULT_TOKENS = 256
_KINDS = {"/v1/chat/completions": ("chat.completion", "chat.completion.chunk"), "/v1/completions": ("text_completion", "text_completion")}
_UNUSABLE = (ValueError, TypeError, KeyError, OverflowError)
"""What a request of the wrong shape leads to."""
_READ = frozenset({"model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stream", "stream_options", "user"})
_WITHOUT_EFFECT: dict[str, Any] = {"n": 1, "best_of": 1, "repetition_penalty": 1, "top_k": -1, "tool_choice": "none", "add_generation_prompt": True}
"""Values of further fields that ask for nothing; of every other field these are null, false, 0, and what is empty."""


@dataclass(frozen=True)
class Wish:
    """How an answer is to be made. Temperature 0 is greedy."""

    max_tokens: int
    temperature: float
    top_p: float


class Speaker(Protocol):
    """Models by name: the base and verified versions."""

    def encode(self, prompt: str | list[dict[str, str]]) -> list[int]:
        """Token ids of a plain text, or of a conversation through the chat template. Raises ValueError for a conversation that it does not take."""

    def decode(self, ids: list[int]) -> str:
        """The text of token ids, special tokens included. Raises ValueError for ids that the vocabulary does not have."""

    def speak(self, model: str, ids: list[int], wish: Wish) -> Iterator[tuple[str, int]]:
        """Pieces of the answer with the tokens written so far. Raises RefusedError before the first for a version that is not served.

        The iterator is closed when nobody waits for the answer any more; it then stops computing.
        """

    def loaded(self) -> list[str]:
        """Names of the base and of the versions in memory."""

    def unload(self, version: str) -> None:
        """Take a version out of memory, if it is there."""


class LocalServer:
    """The ASGI application."""

    def __init__(self, speaker: Speaker, *, max_model_len: int, engine: str = "local") -> None:
        self._speaker, self._max_model_len, self._engine = speaker, max_model_len, engine
        self._log, self._turn = LogOnce(), asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        path = scope["path"]
        body = await _body(receive) if scope["method"] == "POST" else {}
        if path in _KINDS:
            await self._answer(path, body, receive, send)
        elif path == "/metrics":
            await _send(send, 200, CONTENT_TYPE_LATEST, generate_latest())
        elif path in ("/health", "/ping"):
            await send_json(send, 200, {})
        elif path == "/version":
            await send_json(send, 200, {"version": version("adapt-build"), "engine": self._engine})
        elif path == "/v1/models":
            await send_json(send, 200, {"object": "list", "data": [_listed(name) for name in self._speaker.loaded()]})
        elif path == "/tokenize":
            await self._tokenize(body, send)
        elif path == "/detokenize":
            await self._detokenize(body, send)
        elif path == "/v1/unload_lora_adapter":
            async with self._turn:
                self._speaker.unload(str(body.get("lora_name")))
            await send_json(send, 200, {})
        else:
            await send_json(send, 404, _error(404, "this route does not exist"))

    async def _tokenize(self, body: Mapping[str, Any], send: Send) -> None:
        try:
            ids = self._speaker.encode(_prompt(body, "messages" if "messages" in body else "prompt"))
        except _UNUSABLE as error:
            await send_json(send, 400, _error(400, _said(error)))
            return
        await send_json(send, 200, {"tokens": ids, "count": len(ids), "max_model_len": self._max_model_len})

    async def _detokenize(self, body: Mapping[str, Any], send: Send) -> None:
        try:
            text = self._speaker.decode(_token_ids(body["tokens"]))
        except _UNUSABLE as error:
            await send_json(send, 400, _error(400, _said(error)))
            return
        await send_json(send, 200, {"prompt": text})

    async def _answer(self, path: str, body: Mapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            _refuse_unread(body)
            model = str(body["model"])
            ids = self._speaker.encode(_prompt(body, "messages" if path.endswith("chat/completions") else "prompt"))
            if not ids:
                raise ValueError("the prompt is empty: give at least one token")
            wish = _wish(body, room=self._max_model_len - len(ids))
            if len(ids) + wish.max_tokens > self._max_model_len:
                raise ValueError(f"the prompt has {len(ids)} tokens; with {wish.max_tokens} of an answer that is more than {self._max_model_len}")
        except _UNUSABLE as error:
            await send_json(send, 400, _error(400, _said(error)))
            return
        gone = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            async with self._turn:
                if not gone.done():
                    await self._write(_Answer(path, model, len(ids), wish), body, ids, gone, send)
        finally:
            gone.cancel()

    async def _write(self, answer: "_Answer", body: Mapping[str, Any], ids: list[int], gone: "asyncio.Task[None]", send: Send) -> None:
        """Compute an answer and send it; stop computing as soon as the client is `gone`."""
        written = self._speaker.speak(answer.model, ids, answer.wish)
        pieces = _in_thread(written, gone)
        try:
            first = await anext(pieces, ("", 0))
            if body.get("stream") is True:
                usage = bool((body.get("stream_options") or {}).get("include_usage"))
                await answer.stream(first, pieces, send, usage=usage)
            else:
                await answer.whole(first, pieces, send)
        except RefusedError as refusal:
            self._log.warn(answer.model, str(refusal))
            await send_json(send, 404, _error(404, "the model does not exist"))
        except _ClientGoneError:
            pass  # nobody is there to be told
        finally:
            if (close := getattr(written, "close", None)) is not None:
                await asyncio.to_thread(close)


class _ClientGoneError(Exception):
    """The client that an answer was for has closed its connection."""


def run_server(app: App, *, host: str, port: int) -> None:
    """Serve until Ctrl-C or SIGTERM, then end as a program does that has run to its end: what was to be removed at the end is."""
    import uvicorn

    # uvicorn finishes what it answers and raises the signal once more; its default action would skip all cleaning up
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    uvicorn.run(app, host=host, port=port, log_level="warning")


class _Answer:
    """One answer in OpenAI's shapes."""

    def __init__(self, path: str, model: str, prompt_tokens: int, wish: Wish) -> None:
        self.model, self.wish = model, wish
        self._id, self._created = f"{'chatcmpl' if path.endswith('chat/completions') else 'cmpl'}-{uuid.uuid4().hex}", int(time.time())
        self._chat, self._prompt_tokens = path.endswith("chat/completions"), prompt_tokens
        self._kind, self._chunk = _KINDS[path]

    async def whole(self, first: tuple[str, int], pieces: AsyncIterator[tuple[str, int]], send: Send) -> None:
        text, tokens = first
        async for piece, count in pieces:
            text, tokens = text + piece, count
        content = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        choice = {"index": 0, **content, "finish_reason": self._reason(tokens)}
        await send_json(send, 200, self._shape(self._kind, [choice], tokens))

    async def stream(self, first: tuple[str, int], pieces: AsyncIterator[tuple[str, int]], send: Send, *, usage: bool) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        tokens = await self._event(first, send, begins=True)
        async for piece in pieces:
            tokens = await self._event(piece, send)
        nothing: dict[str, Any] = {"delta": {}} if self._chat else {"text": ""}
        last = {"index": 0, **nothing, "finish_reason": self._reason(tokens)}
        events = [self._shape(self._chunk, [last], None), *([self._shape(self._chunk, [], tokens)] if usage else [])]
        lines = [json.dumps(event, separators=(",", ":")) for event in events]
        await send({"type": "http.response.body", "body": "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()})

    async def _event(self, piece: tuple[str, int], send: Send, *, begins: bool = False) -> int:
        text, tokens = piece
        role = {"role": "assistant"} if begins else {}
        content = {"delta": {**role, "content": text}} if self._chat else {"text": text}
        event = self._shape(self._chunk, [{"index": 0, **content, "finish_reason": None}], None)
        line = json.dumps(event, separators=(",", ":"))
        await send({"type": "http.response.body", "body": f"data: {line}\n\n".encode(), "more_body": True})
        return tokens

    def _shape(self, kind: str, choices: list[dict[str, Any]], tokens: int | None) -> dict[str, Any]:
        shape: dict[str, Any] = {"id": self._id, "object": kind, "created": self._created, "model": self.model, "choices": choices}
        if tokens is not None:
            total = self._prompt_tokens + tokens
            shape["usage"] = {"prompt_tokens": self._prompt_tokens, "completion_tokens": tokens, "total_tokens": total}
        return shape

    def _reason(self, tokens: int) -> str:
        return "length" if tokens >= self.wish.max_tokens else "stop"


async def _in_thread(pieces: Iterator[tuple[str, int]], gone: "asyncio.Task[None]") -> AsyncIterator[tuple[str, int]]:
    """An iterator that computes, without holding up the other requests. Raises _ClientGoneError once the client is gone."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        if gone.done():
            raise _ClientGoneError
        yield piece


async def _wait_for_disconnect(receive: Receive) -> None:
    """Return when the client closes its connection; the request was read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _listed(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "adapt"}


def _token_ids(value: Any) -> list[int]:
    """Token ids of a request. Raises ValueError for anything else."""
    if not isinstance(value, list) or not all(type(each) is int and each >= 0 for each in value):
        raise ValueError("tokens must be a list of token ids")
    return value


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"the request lacks or misuses {error}"


def _prompt(body: Mapping[str, Any], field: str) -> Any:
    """The conversation, or the plain text. Raises ValueError for other kinds, several texts at once among them; KeyError when it lacks."""
    prompt = body[field]
    if field == "prompt":
        if not isinstance(prompt, str):
            raise ValueError("prompt must be one text; this engine answers one at a time")
        return prompt
    if not isinstance(prompt, list) or not all(isinstance(turn, dict) for turn in prompt):
        raise ValueError("messages must be a list of objects")
    return [{**turn, "role": _role(turn), "content": _content(turn.get("content"))} for turn in prompt]


def _role(turn: Mapping[str, Any]) -> str:
    role = turn.get("role")
    if not isinstance(role, str):
        raise ValueError("each message needs a role, such as user")
    return role


def _content(value: Any) -> str:
    """The text of a message: one text, or blocks of it, which vLLM joins by line breaks too."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if not isinstance(value, list):
        raise ValueError("content must be a text, or a list of text blocks")
    if not all(isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str) for block in value):
        raise ValueError("content may hold blocks of text alone: this engine takes no images, audio or video")
    return "\n".join(block["text"] for block in value)


def _refuse_unread(body: Mapping[str, Any]) -> None:
    """Raise ValueError for a field that asks for what only vLLM does, rather than answer as if it were not there."""
    for field, value in sorted(body.items()):
        if field not in _READ and value not in (None, False, 0, [], {}, "") and value != _WITHOUT_EFFECT.get(field):
            raise ValueError(f"{field} is not known to this engine, which reads {', '.join(sorted(_READ))}; vLLM may know it")
    if not isinstance(body.get("stream_options"), dict | None):
        raise ValueError("stream_options must be an object")


def _wish(body: Mapping[str, Any], *, room: int) -> Wish:
    """Settings of an answer, with vLLM's defaults; `room` is how many tokens the model's length leaves. Raises ValueError for what cannot be."""
    given = next((body[field] for field in ("max_completion_tokens", "max_tokens") if body.get(field) is not None), None)
    wish = Wish(
        max_tokens=max(min(_DEFAULT_TOKENS, room), 1) if given is None else int(given),
        temperature=float(1.0 if body.get("temperature") is None else body["temperature"]),
        top_p=float(1.0 if body.get("top_p") is None else body["top_p"]),
    )
    if wish.max_tokens < 1 or not 0 <= wish.temperature <= 2 or not 0 < wish.top_p <= 1:
        raise ValueError("max_tokens must be at least 1, temperature between 0 and 2, top_p above 0 and at most 1")
    return wish


async def _body(receive: Receive) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    content = bytearray()
    while True:
        message = await receive()
        content += message.get("body", b"")
        if not message.get("more_body", False):
            break
    try:
        value = json.loads(content)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message: Message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _send(send: Send, status: int, kind: str, content: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
    await send({"type": "http.response.body", "body": content})


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": status}}
