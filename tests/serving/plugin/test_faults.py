"""Whose failure it was, asked of an application that fails certain requests and certain models."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from adapt.serving.journal import Attempt, Journal, NameState
from adapt.serving.plugin.faults import Faults
from adapt.serving.plugin.gate import Gate
from adapt.serving.plugin.places import Places
from tests.serving.plugin.published import Published, publish

BAD = {"structured_outputs": {"json": {"$ref": "#"}}}


class Engine:
    """Fails requests with a certain content, and every request to models of a list; streams break in the
    middle."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.unknown: set[str] = set()
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = json.loads((await receive())["body"])
        self.asked.append(body)
        fails = "structured_outputs" in body or body["model"] in self.broken
        if body.get("stream"):
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            content = b'data: {"error": {"message": "x"}}\n\n' if fails else b"data: [DONE]\n\n"
            await send({"type": "http.response.body", "body": content})
            return
        status = 404 if body["model"] in self.unknown else 500 if fails else 200
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


class Front:
    """The middleware in front of the engine, while finance is being rolled out."""

    def __init__(self, published: Published, name: str) -> None:
        self.engine, self.published, self.good = Engine(), published, published.versions["finance"]
        self.new = f"finance@{name}"
        state = NameState(good=self.good, attempt=Attempt(self.new, "x", 1.0))
        published.live.journal.change("finance", lambda _: state, action="test")
        places = {"ADAPT_LIVE": str(published.live.folder), "ADAPT_CONFIGURATION": str(published.scene.out)}
        self.gate = Gate(self.engine, places)
        self.gate._aliases._settled_for = None  # a server that ran before the roll-out began

    def ask(self, **body: Any) -> None:
        content = json.dumps({"model": "finance", "messages": [], **body}).encode()
        messages = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            """Nobody reads it."""

        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
        asyncio.run(self.gate(scope, receive, send))

    def causes(self) -> dict[str, float]:
        counts = {}
        for cause in ("version", "request", "unchecked"):
            labels = {"adapter": "finance", "version": self.new, "cause": cause}
            if count := REGISTRY.get_sample_value("adapt_faults_total", labels):
                counts[cause] = count
        return counts


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path, "finance")


@pytest.mark.parametrize("stream", [False, True])
def test_request_that_fails_on_the_version_before_too_is_the_requests(
    published: Published,
    stream: bool,
) -> None:
    front = Front(published, f"0000000000a{int(stream)}")
    front.ask(**BAD, stream=stream, max_tokens=900)
    assert front.causes() == {"request": 1}
    asked = front.engine.asked[1]
    assert (asked["model"], asked["max_tokens"]) == (front.good, 16)
    assert asked["structured_outputs"] == BAD["structured_outputs"]
    assert not {"stream", "stream_options"} & asked.keys()


def test_failure_of_the_version_alone_is_its_own(published: Published) -> None:
    front = Front(published, "0000000000b0")
    front.engine.broken = {front.new}
    front.ask()
    front.engine.broken, front.engine.unknown = set(), {front.new}
    front.ask()
    assert front.causes() == {"version": 2}


def test_base_is_asked_where_the_version_before_cannot_be(published: Published) -> None:
    front = Front(published, "0000000000c0")
    front.engine.broken, front.engine.unknown = {front.new}, {front.good}
    front.ask()
    assert [body["model"] for body in front.engine.asked] == [front.new, front.good, "base"]
    assert front.causes() == {"version": 1}


def test_nothing_is_asked_twice_while_no_roll_out_is_under_way(published: Published) -> None:
    front = Front(published, "0000000000d0")
    published.live.journal.change("finance", lambda state: state.cancel("over"), action="test")
    front.ask(**BAD)
    assert (len(front.engine.asked), front.causes()) == (1, {})


def test_masses_of_bad_requests_make_little_work(published: Published, tmp_path: Path) -> None:
    now, asked = [0.0], []

    async def engine(scope: Any, receive: Any, send: Any) -> None:
        asked.append(json.loads((await receive())["body"]))
        await send({"type": "http.response.start", "status": 500, "headers": []})

    Front(published, "0000000000e0")
    journal = Journal(Places(published.live.folder, published.scene.out))
    faults = Faults(engine, journal.path, "base", clock=lambda: now[0])

    async def fail(times: int) -> None:
        for _ in range(times):
            version = "finance@0000000000e0"
            await faults.count({"headers": []}, {"model": "x"}, adapter="finance", version=version)

    asyncio.run(fail(100))
    assert len(asked) == 30
    now[0] = 61.0
    asyncio.run(fail(100))
    assert len(asked) == 60
    labels = {"adapter": "finance", "version": "finance@0000000000e0", "cause": "unchecked"}
    assert REGISTRY.get_sample_value("adapt_faults_total", labels) == 140
