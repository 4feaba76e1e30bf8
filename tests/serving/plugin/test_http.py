"""The plugin behind a real HTTP server: what clients, and the application behind it, see on the wire."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client import REGISTRY

from adapt.serving.plugin.answers import Renamer
from adapt.serving.plugin.gate import Gate
from adapt.serving.plugin.listing import package_digest
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.resolver import SignedResolver
from tests.serving.plugin.published import Published, publish


class Strict:
    """An application that takes ASGI by its letter, and answers with what reached it; to `stream` in two parts, with a pause between."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.models: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        body, more = b"", True
        while more:
            message = await receive()
            if set(message) != {"type", "body", "more_body"} or message["type"] != "http.request":
                self.faults.append(f"a request's message is {sorted(message)}")
            body, more = body + message["body"], message["more_body"]
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths != ([str(len(body)).encode()] if body else lengths):
            self.faults.append(f"{len(body)} bytes are announced as {lengths}")
        if [name for name, _ in scope["headers"] if name != name.lower()]:
            self.faults.append("a header's name is not in lower case")
        asked = json.loads(body or b"{}")
        self.models.append(asked.get("model"))
        if asked.get("stream"):
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-type", b"text/event-stream")],
                }
            )
            event = json.dumps({"model": asked["model"], "choices": [1]}, separators=(",", ":"))
            for part in (event, "[DONE]"):
                await send({"type": "http.response.body", "body": f"data: {part}\n\n".encode(), "more_body": True})
            await send({"type": "http.response.body"})
            return
        whole = json.dumps({"model": asked.get("model"), "echo": asked}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(whole)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": whole[:9], "more_body": True})
        await send({"type": "http.response.body", "body": whole[9:]})


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("http"), "finance", "legal")


@pytest.fixture(scope="module")
def application() -> Strict:
    return Strict()


@pytest.fixture(scope="module")
def client(published: Published, application: Strict) -> Iterator[httpx.Client]:
    gate = Gate(
        application,
        {"ADAPT_LIVE": str(published.live.folder), "ADAPT_CONFIGURATION": str(published.scene.out)},
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(gate, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
            while not server.started:
                time.sleep(0.01)
            yield client
        server.should_exit = True
        thread.join()


def test_an_answer_comes_whole_with_its_own_length(client: httpx.Client, published: Published, application: Strict) -> None:
    answer = client.post("/v1/completions", json={"model": "finance", "prompt": "好"})
    assert answer.json() == {"model": "finance", "echo": {"model": "finance", "prompt": "好"}}
    assert application.models[-1] == published.versions["finance"]
    assert answer.headers.get_list("content-length") == [str(len(answer.content))]
    assert answer.headers["content-type"] == "application/json"
    assert application.faults == []


def test_a_stream_comes_to_its_end(client: httpx.Client, application: Strict) -> None:
    answer = client.post("/v1/completions", json={"model": "legal", "prompt": "x", "stream": True})
    assert answer.text == 'data: {"model":"legal","choices":[1]}\n\ndata: [DONE]\n\n'
    assert application.faults == []


def test_times_are_those_that_a_client_sees(client: httpx.Client, published: Published) -> None:
    labels = {"adapter": "legal", "version": published.versions["legal"]}
    names = ("adapt_request_seconds_sum", "adapt_first_byte_seconds_sum")
    before = [REGISTRY.get_sample_value(name, labels) or 0.0 for name in names]
    start = time.perf_counter()
    client.post("/v1/completions", json={"model": "legal", "prompt": "x"})
    waited = time.perf_counter() - start
    while (REGISTRY.get_sample_value(names[0], labels) or 0.0) == before[0]:
        time.sleep(0.01)  # the last lines of the server's task
    whole, first = ((REGISTRY.get_sample_value(name, labels) or 0.0) - past for name, past in zip(names, before, strict=True))
    assert 0 < first <= whole
    assert first <= waited


def test_models_are_listed_as_openai_lists_them(client: httpx.Client, published: Published) -> None:
    common = {"object": "model", "created": 0, "owned_by": "adapt"}
    assert client.get("/v1/models").json() == {
        "object": "list",
        "data": [
            {"id": "base", "parent": None, **common},
            *({"id": name, "parent": "base", "versions": {published.versions[name]: 1.0}, **common} for name in ("finance", "legal")),
        ],
    }


def test_the_state_is_what_lies_on_the_disk(client: httpx.Client, published: Published) -> None:
    from adapt.serving.plugin import gate

    facts = json.loads((published.scene.out / "server.json").read_bytes())
    state = client.get("/adapt/state", headers={"Authorization": f"Bearer {published.keys.token}"}).json()
    assert state["template"] is not None
    assert state == {
        "aliases": {name: {version: 1.0} for name, version in published.versions.items()},
        "versions": dict.fromkeys(sorted(published.versions.values())),
        "stored": sorted(path.name for path in published.adapters.iterdir() if "@" in path.name),
        "base": {"digest": facts["base"]["digest"], "revision": facts["base"]["revision"]},
        "tokenizer": facts["tokenizer"],
        "template": state["template"],
        "max_lora_rank": facts["max_lora_rank"],
        "attributes_faults": True,
        "code": package_digest(Path(gate.__file__).parent),
    }


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            {"model": "finance", "stream": 1},
            {
                "message": "stream must be true or false",
                "type": "invalid_request_error",
                "param": "stream",
                "code": 400,
            },
        ),
        (
            [],
            {
                "message": "the body is not a JSON object",
                "type": "invalid_request_error",
                "param": None,
                "code": 400,
            },
        ),
    ],
)
def test_errors_have_openais_shape(client: httpx.Client, body: Any, error: dict[str, Any]) -> None:
    assert client.post("/v1/completions", json=body).json() == {"error": error}


def test_tokens_are_counted_once_however_often_an_answer_is_settled() -> None:
    spent: list[tuple[int, int]] = []
    renamer = Renamer("finance@000000000000", "finance", hide_usage=True, spends=lambda *tokens: spent.append(tokens))
    pieces = [
        b'data: {"choices":[{"text":"a"}],"usage":{"prompt_tokens":5,"completion_tokens":1}}\n\n',
        b'data: not JSON, "usage"\n\n',
        b'data:{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\ndata: [DONE]\n\n',
    ]
    out = b"".join(renamer.piece(piece, last=False) for piece in pieces) + renamer.piece(b"", last=True)
    assert out == pieces[0] + pieces[1] + b"data: [DONE]\n\n", "what was asked for by the door alone is not shown, all else is"
    renamer.settle()
    renamer.settle()
    assert spent == [(5, 2)]


def test_an_error_in_a_stream_is_seen_without_a_space_before_it() -> None:
    renamer = Renamer("finance@000000000000", "finance", hide_usage=True, spends=lambda *tokens: None)
    renamer.piece(b'data:{"error": {"message": "broken"}}\n\n', last=True)
    assert renamer.failed


def test_a_version_that_is_refused_is_logged_with_its_reason(published: Published, caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    store = published.store()
    with pytest.raises(RefusedError) as refusal:
        store.check("finance@000000000000")
    assert asyncio.run(SignedResolver(store).resolve_lora("base", "finance@000000000000")) is None
    assert "finance@000000000000" in caplog.text
    assert str(refusal.value) in caplog.text
