"""A teacher behind an OpenAI-compatible endpoint, asked over HTTP with several requests under way.

Broken answers, timeouts and failing servers are tried again with growing pauses; a busy server that names a pause gets it, from every request.
What trying again cannot mend (a wrong key, an unknown model, an address that leads elsewhere or to nobody) stops the build at once; what was
answered so far stays in the store of answers. The key comes from the environment, is sent to that one address past any proxy that the
environment names, and stands in no message.
"""

import asyncio
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from adapt.dataset.synthesis.pace import Pace, read_retry_after
from adapt.dataset.synthesis.talk import Failure, Messages, mend
from adapt.errors import InputError
from adapt.spec.synthesis import OpenAITeacher as Endpoint

_FAILURES_IN_A_ROW = 8
_TIMES_BUSY_PER_ATTEMPT = 10
_LONGEST_PAUSE_SECONDS = 60.0
_LONGEST_QUOTE = 300
_MOST_BYTES = 16 << 20
_LAST_PORT = 65535
_BUSY = 429
_TRY_AGAIN = (408, 425, _BUSY)
"""Statuses below 500 that speak of the moment (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4)."""
_OF_THE_PROMPT = (400, 413, 422)
"""Statuses that speak of the prompt: too long, or refused."""
_Answer = str | Failure


class OpenAITeacher:
    """A model at an endpoint. `pause_seconds` is the first pause before a request is tried again; it doubles up to a minute.

    Raises InputError when the environment lacks the key, or the URL carries one.
    """

    def __init__(self, spec: Endpoint, *, pause_seconds: float = 1.0) -> None:
        if "@" in spec.url:
            raise InputError(f"the URL of teacher {spec.model} names a user", hint="take user and password out of it, and set key_variable")
        self._spec, self._key, self._pause_seconds = spec, _read_key(spec), pause_seconds

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        return self._spec.model

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is sent beside the conversation."""
        return {"temperature": self._spec.temperature, "max_tokens": self._spec.max_tokens}

    def ask(self, prompts: Iterable[Messages]) -> Iterator[tuple[int, str | Failure]]:
        """Number and answer of each prompt as they arrive, at most `concurrency` requests at once; they run only while answers are being taken.

        Raises InputError when the server cannot be reached, refuses the key or the model, sends elsewhere, or fails many times in a row.
        """
        with asyncio.Runner() as runner:
            requests = _Requests(self._spec, self._key, self._pause_seconds)
            tasks: dict[asyncio.Task[_Answer], int] = {}
            waiting = enumerate(prompts)
            failures = 0
            try:
                while _start(tasks, waiting, requests, runner):
                    stop: BaseException | None = None
                    for task in sorted(runner.run(_first_done(tasks)), key=tasks.__getitem__):
                        number = tasks.pop(task)
                        if (error := task.exception()) is not None:
                            stop = stop or error
                            continue
                        answer = task.result()
                        failures = failures + 1 if isinstance(answer, Failure) else 0
                        if isinstance(answer, Failure) and failures >= _FAILURES_IN_A_ROW:
                            stop = stop or self._hopeless(answer)
                        yield number, answer
                    if stop:  # only now, so that good answers which came with it are not lost
                        raise stop
            finally:
                runner.run(_stop(tasks, requests))

    def _hopeless(self, last: Failure) -> InputError:
        said = f" The server said: {last.words}" if last.words else ""
        return InputError(
            f"teacher {self.name} failed {_FAILURES_IN_A_ROW} times in a row, the last time so: {last.reason}{said}",
            hint="look at the server; what was answered so far is kept, so build again when it is well",
        )


def _read_key(spec: Endpoint) -> str | None:
    if spec.key_variable is None:
        return None
    key = os.environ.get(spec.key_variable, "").strip()
    if not key:
        raise InputError(f"teacher {spec.model} needs its key in the environment variable {spec.key_variable}, which is not set")
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"the environment variable {spec.key_variable} holds no key: it has characters that no header can carry")
    return key


def _start(tasks: "dict[asyncio.Task[_Answer], int]", waiting: Iterator[tuple[int, Messages]], requests: "_Requests", runner: asyncio.Runner) -> bool:
    """Start requests while there is room; whether any is under way."""
    while len(tasks) < requests.room and (following := next(waiting, None)) is not None:
        number, messages = following
        tasks[runner.get_loop().create_task(requests.answer(messages))] = number
    return bool(tasks)


async def _first_done(tasks: "Iterable[asyncio.Task[_Answer]]") -> "set[asyncio.Task[_Answer]]":
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return done


async def _stop(tasks: "Iterable[asyncio.Task[_Answer]]", requests: "_Requests") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await requests.close()


class _Again(NamedTuple):
    """Why a request should be tried again."""

    reason: str
    busy: bool = False
    """The server is well, and asks for patience."""
    pause: float | None = None
    """What the server asks for, in seconds."""
    unreachable: bool = False


class _Reply(NamedTuple):
    """What a server sent."""

    status: int
    retry_after: str | None
    content: bytes


class _Requests:
    """Sends conversations and reads answers. Raises InputError for a URL that is none, and when no client can be set up."""

    def __init__(self, spec: Endpoint, key: str | None, pause_seconds: float) -> None:
        import httpx

        self.room = spec.concurrency
        self._spec, self._key, self._pause_seconds = spec, key, pause_seconds
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=spec.concurrency, max_keepalive_connections=spec.concurrency)
        try:
            self._url = httpx.URL(f"{spec.url.rstrip('/')}/chat/completions")
            if not self._url.host or not 0 < (self._url.port or 1) <= _LAST_PORT:
                raise self._no_url()
            trusted = httpx.create_ssl_context()  # certificates of the environment count, its proxies do not
            self._client = httpx.AsyncClient(headers=headers, timeout=None, follow_redirects=False, limits=limits, verify=trusted, trust_env=False)
        except httpx.InvalidURL:
            raise self._no_url() from None
        except (OSError, ImportError) as error:
            raise InputError(f"teacher {spec.model}: no connection can be set up: {error}", hint="look at SSL_CERT_FILE and SSL_CERT_DIR") from None
        self._pace = Pace(spec.requests_per_minute)

    async def close(self) -> None:
        await self._client.aclose()

    async def answer(self, messages: Messages) -> _Answer:
        """The answer to a conversation, tried again where that may help."""
        tried = busy = 0
        while True:
            await self._pace.wait()
            found = await self._post(messages)
            if not isinstance(found, _Again):
                return found
            tried, busy = (tried, busy + 1) if found.busy else (tried + 1, busy)
            if tried == self._spec.attempts or busy == self._spec.attempts * _TIMES_BUSY_PER_ATTEMPT:
                if found.unreachable:
                    raise InputError(f"teacher {self._spec.model}: {found.reason}", hint="start the server, or mend teacher.url")
                return Failure(found.reason)
            pause = min(_LONGEST_PAUSE_SECONDS, self._pause_seconds * 2 ** min(tried + busy - 1, 16))
            if found.busy:
                self._pace.hold(pause if found.pause is None else found.pause)
            else:
                await asyncio.sleep(max(pause, found.pause or 0.0))

    async def _post(self, messages: Messages) -> "_Answer | _Again":
        import httpx

        spec = self._spec
        body = {
            "model": spec.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "temperature": spec.temperature,
            "max_tokens": spec.max_tokens,
        }
        try:
            return self._read(await self._send(body))
        except TimeoutError:
            return _Again(f"No answer within {spec.timeout_seconds:g} seconds.")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise self._no_url() from None
        except httpx.ConnectError:
            return _Again(f"nobody answers at {spec.url}", unreachable=True)
        except httpx.DecodingError:
            return _Again("The server's answer is packed in a way that cannot be read.")
        except httpx.RequestError:
            return _Again("The connection broke.")

    async def _send(self, body: Mapping[str, Any]) -> _Reply:
        """What the server sends, cut off where it is larger than any answer. Raises TimeoutError when that is not all there in time."""
        async with asyncio.timeout(self._spec.timeout_seconds), self._client.stream("POST", self._url, json=body) as response:
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    break
            return _Reply(response.status_code, response.headers.get("retry-after"), bytes(content[:_MOST_BYTES]))

    def _no_url(self) -> InputError:
        return InputError(f"teacher {self._spec.model}: {self._spec.url} is no URL", hint="mend teacher.url")

    def _read(self, reply: _Reply) -> "_Answer | _Again":
        status = reply.status
        if status == 200:
            return _read_answer(reply.content)
        if status in _TRY_AGAIN or status >= 500:
            return _Again(f"The server answered with status {status}.", busy=status == _BUSY, pause=read_retry_after(reply.retry_after))
        who, words = f"teacher {self._spec.model} at {self._spec.url}", self._words(reply.content)
        if status in (401, 403):  # such servers often quote a part of the key, so their words are not shown
            where = f"the key in {self._spec.key_variable}" if self._spec.key_variable else "a request without a key"
            raise InputError(f"{who} refuses {where} (status {status})", hint="check the key, and teacher.key_variable")
        if status == 404:
            raise InputError(f"{who} is not known (status 404): {words}", hint="check teacher.model, and that teacher.url ends as in .../v1")
        if 300 <= status < 400:
            raise InputError(f"{who} sends to another address (status {status})", hint="write the final address into teacher.url")
        refused = status in _OF_THE_PROMPT
        reason = f"The server refused the prompt with status {status}." if refused else f"The server answered with status {status}."
        return Failure(reason, words, refused)

    def _words(self, content: bytes) -> str:
        """What the server says about an error, shortened, without the key."""
        try:
            said = json.loads(content)["error"]["message"]
        except (ValueError, KeyError, TypeError, RecursionError):
            said = content.decode("utf-8", "replace")
        shown = mend(" ".join(str(said).split()))
        return (shown.replace(self._key, "***") if self._key else shown)[:_LONGEST_QUOTE]


def _read_answer(content: bytes) -> str | _Again:
    """The text of an answer; none at all counts as empty, as of models that only thought."""
    try:
        return mend(str(json.loads(content)["choices"][0]["message"].get("content") or ""))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return _Again("The server answered with something else than a chat completion.")
