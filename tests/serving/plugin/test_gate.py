"""The door of the server, in front of an application that tells what reached it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapt.serving.keys import add_client, open_access, read_access, remove_client
from adapt.serving.plugin.gate import Gate
from tests.serving.adapters import lora_tensors
from tests.serving.plugin.published import Published, publish

USAGE = {"prompt_tokens": 3, "completion_tokens": 4}
CLOSED = ("/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/invocations", "/adapters", "/adapt/state", "/docs", "/v1/models/../x")


class Inner:
    """Stands for vLLM: answers with what it was asked, as JSON or as a stream."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.chunks: list[bytes] = []
        self.fails = False
        self.status = 200
        self.error = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive()).get("body", b"")
        asked = json.loads(body or b"{}") if scope["method"] == "POST" else {}
        self.seen.append({"path": scope["path"], **asked})
        if self.fails:
            raise RuntimeError("broken")
        answer = {"model": asked.get("model"), "choices": [{"text": f'"model":"{asked.get("model")}"'}], "usage": USAGE}
        whole = json.dumps({"error": {"message": self.error}} if self.error else answer, separators=(",", ":")).encode()
        kind = b"text/event-stream; charset=utf-8" if self.chunks else b"application/json"
        length = [] if self.chunks else [(b"content-length", str(len(whole)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-type", kind), *length]})
        for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if self.chunks else whole})


class Door:
    """A gate and what is behind it."""

    def __init__(self, published: Published) -> None:
        self.published, self.inner = published, Inner()
        self.gate = Gate(self.inner, {"ADAPT_LIVE": str(published.live.folder), "ADAPT_CONFIGURATION": str(published.scene.out)})

    def send(self, method: str, path: str, body: Any = None, *, token: str | None = None, chunks: int = 1, **headers: str) -> tuple[int, Any]:
        """Status and answer; the body arrives in `chunks` parts."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        given += [(b"authorization", f"Bearer {token}".encode())] if token else []
        step = max(len(content) // chunks, 1)
        parts = [content[start : start + step] for start in range(0, max(len(content), 1), step)]
        messages = [{"type": "http.request", "body": part, "more_body": index < len(parts) - 1} for index, part in enumerate(parts)]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.gate({"type": "http", "method": method, "path": path, "headers": given}, receive, send))
        whole = b"".join(message.get("body", b"") for message in sent[1:])
        lengths = [value for name, value in sent[0]["headers"] if name == b"content-length" and not self.inner.chunks]
        assert lengths in ([], [str(len(whole)).encode()])
        try:
            return sent[0]["status"], json.loads(whole)
        except ValueError:
            return sent[0]["status"], whole.decode()

    def ask(self, model: Any, path: str = "/v1/chat/completions", **options: Any) -> tuple[int, Any]:
        return self.send("POST", path, {"model": model, "messages": []}, **options)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("gate"), "finance", "legal")


@pytest.fixture
def door(published: Published) -> Door:
    return Door(published)


def test_stable_name_goes_in_as_a_version_and_comes_back_as_it_was(door: Door) -> None:
    status, answer = door.ask("finance", chunks=3)
    version = door.published.versions["finance"]
    assert (status, answer["model"], door.inner.seen[0]["model"]) == (200, "finance", version)
    assert answer["choices"][0]["text"] == f'"model":"{version}"', "what the model says is not touched"


def test_base_and_live_versions_go_in_under_their_own_names(door: Door) -> None:
    for name in ("base", door.published.versions["legal"]):
        assert door.ask(name)[1]["model"] == name
    assert door.ask(None)[0] == 200
    assert [entry["model"] for entry in door.inner.seen] == ["base", door.published.versions["legal"], "base"]


@pytest.mark.parametrize("name", ["nobody", "../x", "finance@000000000000", "", 5, ["finance"], {"a": 1}, True, "finance\ud800"])
def test_unknown_names_never_reach_the_server(door: Door, name: Any) -> None:
    status, answer = door.ask(name)
    expected = {"message": "the model does not exist; there are: base, finance, legal", "type": "not_found_error", "param": "model", "code": 404}
    assert (status, answer, door.inner.seen) == (404, {"error": expected}, [])


def test_a_thousand_unknown_names_leave_no_series(door: Door) -> None:
    from prometheus_client import REGISTRY, generate_latest

    door.ask("unknown")
    before = len(generate_latest(REGISTRY).splitlines())
    for number in range(1000):
        door.ask(f"unknown-{number}")
    assert len(generate_latest(REGISTRY).splitlines()) == before


@pytest.mark.parametrize("path", CLOSED)
def test_other_routes_are_the_administrators(door: Door, path: str) -> None:
    for token in (None, "guess", "x" * 10_000):
        status, answer = door.send("POST", path, {"lora_name": "a"}, token=token)
        assert (status, answer["error"]["message"]) == (404, "this route does not exist, or is the administrator's")
    assert door.inner.seen == []


def test_administrator_reaches_every_route_and_every_version(door: Door) -> None:
    token = door.published.keys.token
    assert door.send("POST", "/v1/unload_lora_adapter", {"lora_name": "a"}, token=token)[0] == 200
    other = door.published.rebuilt(template="d" * 64)
    assert door.ask(other)[0] == 404
    assert door.ask(other, token=token)[0] == 200, "the resolver refuses it, not the door"
    state = door.send("GET", "/adapt/state", token=token)[1]
    assert state["versions"][door.published.versions["finance"]] is None
    assert state["versions"].keys() == {version for shares in state["aliases"].values() for version in shares}
    assert other in state["stored"], "named, and not read"
    assert state["aliases"] == door.published.live.aliases()


def test_copy_of_a_version_that_the_server_dropped_is_removed(door: Door) -> None:
    version, token = door.published.versions["finance"], door.published.keys.token
    copy = (store := door.published.store()).load(version)
    door.inner.status = 404
    assert door.send("POST", "/v1/unload_lora_adapter", {"lora_name": version}, token=token)[0] == 404
    assert copy.is_dir()
    door.inner.status = 200
    assert door.send("POST", "/v1/unload_lora_adapter", {"lora_name": version}, token=token)[0] == 200
    assert not copy.exists()
    assert store.load(version) == copy


def test_models_are_listed_by_stable_name(door: Door) -> None:
    listed = {card["id"]: card.get("versions") for card in door.send("GET", "/v1/models")[1]["data"]}
    assert listed == {"base": None, **{name: {version: 1.0} for name, version in door.published.versions.items()}}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"\xff\xfe", b"[" * 100_000])
def test_bodies_that_are_no_object_are_refused(door: Door, body: bytes) -> None:
    status, answer = door.send("POST", "/v1/completions", body)
    assert (status, answer["error"]["message"]) == (400, "the body is not a JSON object")


def test_long_bodies_are_refused(door: Door) -> None:
    long = b" " * ((4 << 20) + 1)
    for given in (door.send("POST", "/v1/completions", long, chunks=9), door.send("POST", "/v1/completions", b"{}", content_length="99999999")):
        assert (given[0], given[1]["error"]["message"]) == (413, "the body is longer than 4194304 bytes")
    assert door.send("POST", "/v1/completions", b"{}", content_length="-1")[0] == 413


@pytest.mark.parametrize(
    ("fields", "message", "param"),
    [
        ({"n": 4000}, "4000 answers are asked for, and one request gets 16 at most", "n"),
        ({"n": 1, "best_of": 17}, "17 answers are asked for, and one request gets 16 at most", "n"),
        ({"n": 6, "prompt": ["a", "b", "c"]}, "3 prompts with 6 answers each are asked for, and one request gets 16 at most", "n"),
        ({"prompt": ["a"] * 17}, "17 prompts with 1 answers each are asked for, and one request gets 16 at most", "prompt"),
        ({"prompt": [[1, 2]] * 17}, "17 prompts with 1 answers each are asked for, and one request gets 16 at most", "prompt"),
        ({"n": 0}, "n must be a whole number, at least 1", "n"),
        ({"n": "4"}, "n must be a whole number, at least 1", "n"),
        ({"best_of": 1.5}, "best_of must be a whole number, at least 1", "best_of"),
        ({"n": True}, "n must be a whole number, at least 1", "n"),
    ],
)
def test_requests_of_too_many_answers_never_reach_the_server(door: Door, fields: dict[str, Any], message: str, param: str) -> None:
    status, answer = door.send("POST", "/v1/completions", {"model": "finance", "prompt": "a", **fields})
    expected = {"message": message, "type": "invalid_request_error", "param": param, "code": 400}
    assert (status, answer, door.inner.seen) == (400, {"error": expected}, [])


@pytest.mark.parametrize("fields", [{"n": None, "best_of": None}, {"n": 16}, {"n": 4, "prompt": ["a"] * 4}, {"prompt": list(range(500))}])
def test_requests_within_the_bound_pass(door: Door, fields: dict[str, Any]) -> None:
    assert door.send("POST", "/v1/completions", {"model": "finance", "prompt": "a", **fields})[0] == 200


def test_repeated_fields_cannot_smuggle_a_name(door: Door) -> None:
    body = b'{"model": "../x", "model": "finance", "messages": []}'
    assert door.send("POST", "/v1/chat/completions", body)[0] == 200
    assert door.inner.seen[0]["model"] == door.published.versions["finance"]


def test_keys_are_asked_for_once_there_is_one(door: Door) -> None:
    live = door.published.live.folder
    key = add_client(live, "mobile")
    try:
        assert (door.ask("finance")[0], door.ask("finance", token="guess")[0], door.ask("finance", token=key)[0]) == (401, 401, 200)
        assert (door.send("GET", "/health")[0], door.send("GET", "/metrics")[0]) == (200, 401)
        assert door.ask("finance", token=door.published.keys.token)[0] == 200
        assert key not in (live / "access.json").read_text()
    finally:
        reopen(live)


def reopen(live: Path) -> None:
    """As before the first key, for the other tests of this module."""
    (live / "access.json").write_text(json.dumps({**read_access(live), "clients": {}, "open": True}))


def test_taking_the_last_key_away_closes_the_server(tmp_path: Path) -> None:
    door = Door(publish(tmp_path, "finance"))
    live = door.published.live.folder
    assert door.ask("finance")[0] == 200
    key = add_client(live, "mobile")
    remove_client(live, "mobile")
    assert (door.ask("finance")[0], door.ask("finance", token=key)[0]) == (401, 401)
    assert door.ask("finance", token=door.published.keys.token)[0] == 200
    open_access(door.published.keys, live)
    assert door.ask("finance")[0] == 401, "preparing it again does not open it"


def test_browsers_may_ask_which_headers_are_allowed(door: Door) -> None:
    live = door.published.live.folder
    add_client(live, "browser")
    try:
        assert door.send("OPTIONS", "/v1/chat/completions")[0] == 200
        assert door.send("OPTIONS", "/v1/load_lora_adapter")[0] == 401
    finally:
        reopen(live)


def test_unusable_access_file_lets_nobody_in(tmp_path: Path) -> None:
    door = Door(publish(tmp_path, "finance"))
    (door.published.live.folder / "access.json").write_text("{")
    assert (door.ask("finance")[0], door.ask("finance", token=door.published.keys.token)[0]) == (401, 401)


def test_user_stays_with_one_version_of_a_canary(door: Door) -> None:
    published = door.published
    other = published.rebuilt(tensors=lora_tensors(b=0.3))
    published.lead("legal", {published.versions["legal"]: 1.0})
    published.lead("finance", {published.versions["finance"]: 0.5, other: 0.5})
    for user in ("ann", "bob", "cid", "dan"):
        for _ in range(3):
            door.send("POST", "/v1/chat/completions", {"model": "finance", "user": user})
            door.send("POST", "/v1/chat/completions", {"model": "finance"}, x_adapt_user=user)
    chosen = [entry["model"] for entry in door.inner.seen]
    by_user = [set(chosen[start : start + 6]) for start in range(0, 24, 6)]
    published.lead("finance", {published.versions["finance"]: 1.0})
    assert all(len(versions) == 1 for versions in by_user)


def stream(version: str) -> bytes:
    events = [{"model": version, "choices": [{"delta": {"content": text}}]} for text in ("a", f'"model":"{version}"', "好")]
    events.append({"model": version, "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}})
    return (
        b"".join(b"data: " + json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n" for event in events)
        + b"data: [DONE]\n\n"
    )


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_streams_are_renamed_however_they_are_cut(door: Door, size: int) -> None:
    version = door.published.versions["finance"]
    whole = stream(version)
    door.inner.chunks = [whole[start : start + size] for start in range(0, len(whole), size)]
    _, text = door.send("POST", "/v1/chat/completions", {"model": "finance", "stream": True})
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert [event["model"] for event in events] == ["finance"] * 3
    assert [event["choices"][0]["delta"]["content"] for event in events] == ["a", f'"model":"{version}"', "好"]
    assert text.endswith("data: [DONE]\n\n")
    assert text.count("\n\n") == 4
    assert door.inner.seen[0]["stream_options"] == {"include_usage": True, "continuous_usage_stats": False}


def test_tokens_of_a_stream_are_shown_to_who_asked_for_them(door: Door) -> None:
    door.inner.chunks = [stream(door.published.versions["finance"])]
    _, text = door.send("POST", "/v1/chat/completions", {"model": "finance", "stream": True, "stream_options": {"include_usage": True}})
    assert '"usage"' in text


def sample(name: str, **labels: str) -> float:
    from prometheus_client import REGISTRY

    return REGISTRY.get_sample_value(name, labels) or 0.0


def counted(version: str) -> Callable[[], tuple[float, ...]]:
    labels = {"adapter": "legal", "version": version}
    return lambda: (
        sample("adapt_requests_total", status="200", **labels),
        sample("adapt_requests_total", status="500", **labels),
        sample("adapt_tokens_total", kind="prompt", **labels),
        sample("adapt_tokens_total", kind="answer", **labels),
        sample("adapt_request_seconds_count", **labels),
        sample("adapt_in_flight", **labels),
    )


def test_requests_tokens_and_times_are_counted_by_version(door: Door) -> None:
    version = door.published.versions["legal"]
    counts = counted(version)
    start = counts()
    door.ask("legal")
    door.inner.chunks = [stream(version)]
    door.send("POST", "/v1/completions", {"model": "legal", "stream": True})
    door.inner.fails = True
    with pytest.raises(RuntimeError):
        door.ask("legal")
    assert tuple(now - before for now, before in zip(counts(), start, strict=True)) == (2, 1, 8, 10, 3, 0)


def test_a_request_that_breaks_off_is_not_passed_on(door: Door) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door.gate({"type": "http", "method": "POST", "path": "/v1/completions", "headers": []}, receive, send))
    assert (sent[0]["status"], door.inner.seen) == (400, [])


@pytest.mark.parametrize(
    ("status", "error", "counted_as"),
    [(400, "LoRA adapter 'legal' was found but could not be loaded.", "500"), (400, "max_tokens is too large", "400"), (404, "no such model", "404")],
)
def test_versions_that_vllm_cannot_load_are_counted_as_failures(door: Door, status: int, error: str, counted_as: str) -> None:
    labels = {"adapter": "legal", "version": door.published.versions["legal"], "status": counted_as}
    before = sample("adapt_requests_total", **labels)
    door.inner.status, door.inner.error = status, error
    assert door.ask("legal")[0] == status
    assert sample("adapt_requests_total", **labels) == before + 1


def test_errors_within_a_stream_are_counted_as_failures(door: Door) -> None:
    labels = {"adapter": "legal", "version": door.published.versions["legal"], "status": "500"}
    before = sample("adapt_requests_total", **labels)
    door.inner.chunks = [b'data: {"choices":[{"delta":{"content":"an \\"error\\""}}]}\n\n', b"data: [DONE]\n\n"]
    door.send("POST", "/v1/completions", {"model": "legal", "stream": True})
    assert sample("adapt_requests_total", **labels) == before
    door.inner.chunks = [b'data: {"error": {"message": "broken", "code": 500}}\n\n', b"data: [DONE]\n\n"]
    door.send("POST", "/v1/completions", {"model": "legal", "stream": True})
    assert sample("adapt_requests_total", **labels) == before + 1


@pytest.mark.parametrize(
    "options", [{"include_usage": True, "continuous_usage_stats": True}, {"include_usage": False, "continuous_usage_stats": True}]
)
def test_tokens_of_a_stream_are_counted_once(door: Door, options: dict[str, bool]) -> None:
    version = door.published.versions["legal"]
    labels = {"adapter": "legal", "version": version, "kind": "answer"}
    before = sample("adapt_tokens_total", **labels)
    events = [{"model": version, "choices": [{"text": "a"}], "usage": {"prompt_tokens": 5, "completion_tokens": count}} for count in (1, 2, 3)]
    events.append({"model": version, "choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}})
    door.inner.chunks = [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events]
    _, text = door.send("POST", "/v1/completions", {"model": "legal", "stream": True, "stream_options": options})
    assert sample("adapt_tokens_total", **labels) == before + 3
    assert door.inner.seen[0]["stream_options"]["include_usage"] is True
    assert ('"choices": []' in text) is options["include_usage"]


@pytest.mark.parametrize("stream", [1, "true", 0.0, []])
def test_unclear_stream_is_refused(door: Door, stream: Any) -> None:
    status, answer = door.send("POST", "/v1/completions", {"model": "finance", "stream": stream})
    assert (status, answer["error"]["message"], door.inner.seen) == (400, "stream must be true or false", [])
