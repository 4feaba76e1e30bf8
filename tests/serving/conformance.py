"""What every engine answers behind the same middleware: one table of requests, with what OpenAI's API and vLLM say of each.

The expectations are those of vLLM, which a marked test holds them to; the engines for a laptop are held to the same table by default.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Ask = Callable[[str, str, bytes | None], tuple[int, Any]]
"""From method, path and body to the status and the answer, which is parsed where it is JSON. The asker may use every model."""
MODEL = "first"
"""An adapter's stable name on the server that is asked."""
TURN = [{"role": "user", "content": "What is a bond?"}]
MOST = 6


@dataclass(frozen=True)
class Case:
    """One request, and what is seen in its answer."""

    name: str
    method: str
    path: str
    body: Any
    status: int
    see: Callable[[Any], None] = lambda _: None

    @property
    def content(self) -> bytes | None:
        """The body as it is sent; bytes are sent as they stand."""
        return self.body if isinstance(self.body, bytes | None) else json.dumps(self.body).encode()


def chat(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": TURN, "max_tokens": MOST, "temperature": 0, **more}


def text(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": "What is a bond?", "max_tokens": MOST, "temperature": 0, **more}


def see_error(answer: Any) -> None:
    """OpenAI's shape of an error, which its client libraries read."""
    error = answer["error"]
    assert error["message"]
    assert isinstance(error["message"], str)
    assert isinstance(error["type"], str)
    assert isinstance(error["code"], int)


def see_whole(kind: str, field: str) -> Callable[[Any], None]:
    def see(answer: Any) -> None:
        (choice,) = answer["choices"]
        assert (answer["object"], answer["model"], choice["index"]) == (kind, MODEL, 0)
        assert isinstance(answer["id"], str)
        assert answer["created"] > 1_700_000_000
        if field == "message":
            assert choice["message"]["role"] == "assistant"
            assert isinstance(choice["message"]["content"], str)
        else:
            assert isinstance(choice["text"], str)
        assert choice["finish_reason"] in ("stop", "length")
        usage = answer["usage"]
        assert usage["prompt_tokens"] > 0
        assert 1 <= usage["completion_tokens"] <= MOST
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]

    return see


def see_stream(kind: str, *, usage: bool) -> Callable[[Any], None]:
    def see(answer: Any) -> None:
        lines = [line.removeprefix("data: ") for line in answer.splitlines() if line]
        assert lines[-1] == "[DONE]"
        events = [json.loads(line) for line in lines[:-1]]
        assert {event["object"] for event in events} == {kind}
        assert {event["model"] for event in events} == {MODEL}
        assert len({(event["id"], event["created"]) for event in events}) == 1
        with_choices = [event for event in events if event["choices"]]
        reasons = [event["choices"][0]["finish_reason"] for event in with_choices]
        assert reasons[-1] in ("stop", "length")
        assert set(reasons[:-1]) <= {None}
        if kind == "chat.completion.chunk":
            assert with_choices[0]["choices"][0]["delta"]["role"] == "assistant"
        totals = [event["usage"] for event in events if event.get("usage")]
        assert len(totals) == usage
        if usage:
            assert events[-1]["choices"] == []
            assert totals[0]["total_tokens"] == totals[0]["prompt_tokens"] + totals[0]["completion_tokens"]

    return see


def see_tokens(answer: Any) -> None:
    assert answer["count"] == len(answer["tokens"]) > 0
    assert all(isinstance(token, int) for token in answer["tokens"])
    assert answer["max_model_len"] > 0


def see_models(answer: Any) -> None:
    assert answer["object"] == "list"
    assert {"base", MODEL} <= {model["id"] for model in answer["data"]}
    assert {model["object"] for model in answer["data"]} == {"model"}


def see_metrics(answer: Any) -> None:
    assert "adapt_requests_total" in answer


CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
CASES = (
    Case("chat", "POST", CHAT, chat(), 200, see_whole("chat.completion", "message")),
    Case("text", "POST", TEXT, text(), 200, see_whole("text_completion", "text")),
    Case("chat in pieces", "POST", CHAT, chat(stream=True), 200, see_stream("chat.completion.chunk", usage=False)),
    Case(
        "chat in pieces with usage",
        "POST",
        CHAT,
        chat(stream=True, stream_options={"include_usage": True}),
        200,
        see_stream("chat.completion.chunk", usage=True),
    ),
    Case("text in pieces", "POST", TEXT, text(stream=True), 200, see_stream("text_completion", usage=False)),
    Case("new name of the length", "POST", CHAT, chat(max_tokens=None, max_completion_tokens=MOST), 200, see_whole("chat.completion", "message")),
    Case("null fields", "POST", CHAT, chat(max_completion_tokens=None, top_p=None, stop=None), 200, see_whole("chat.completion", "message")),
    Case("one answer", "POST", CHAT, chat(n=1), 200, see_whole("chat.completion", "message")),
    Case("content in blocks", "POST", CHAT, chat(messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]), 200),
    Case("user", "POST", CHAT, chat(user="somebody"), 200, see_whole("chat.completion", "message")),
    Case("empty prompt", "POST", TEXT, text(prompt=""), 400, see_error),
    Case("no prompt", "POST", TEXT, {"model": MODEL, "max_tokens": 1}, 400, see_error),
    Case("no messages", "POST", CHAT, {"model": MODEL, "max_tokens": 1}, 400, see_error),
    Case("messages that are text", "POST", CHAT, chat(messages="hello"), 400, see_error),
    Case("messages that are no objects", "POST", CHAT, chat(messages=["hello"]), 400, see_error),
    Case("a message without a role", "POST", CHAT, chat(messages=[{"content": "hello"}]), 400, see_error),
    Case("no room for the answer", "POST", CHAT, chat(max_tokens=100_000), 400, see_error),
    Case("a prompt that is too long", "POST", TEXT, text(prompt="bond " * 5_000), 400, see_error),
    Case("a negative temperature", "POST", CHAT, chat(temperature=-1), 400, see_error),
    Case("top_p above 1", "POST", CHAT, chat(top_p=2), 400, see_error),
    Case("a length that is no number", "POST", CHAT, chat(max_tokens="many"), 400, see_error),
    Case("too many answers", "POST", CHAT, chat(n=4_000), 400, see_error),
    Case("options of a stream that are no object", "POST", CHAT, chat(stream=True, stream_options=[1]), 400, see_error),
    Case("an unknown model", "POST", CHAT, chat(model="nobody"), 404, see_error),
    Case("a model that is no text", "POST", CHAT, chat(model=3), 404, see_error),
    Case("no JSON", "POST", CHAT, b"{", 400, see_error),
    Case("JSON that is no object", "POST", CHAT, b"[]", 400, see_error),
    Case("no body", "POST", CHAT, b"", 400, see_error),
    Case("tokens of a text", "POST", "/tokenize", {"model": MODEL, "prompt": "What is a bond?"}, 200, see_tokens),
    Case("tokens of a chat", "POST", "/tokenize", {"model": MODEL, "messages": TURN}, 200, see_tokens),
    Case("text of tokens", "POST", "/detokenize", {"model": MODEL, "tokens": [40, 41]}, 200, lambda answer: answer["prompt"][0]),
    Case("text of what is no list", "POST", "/detokenize", {"model": MODEL, "tokens": "x"}, 400, see_error),
    Case("models", "GET", "/v1/models", None, 200, see_models),
    Case("health", "GET", "/health", None, 200),
    Case("ping", "GET", "/ping", None, 200),
    Case("version", "GET", "/version", None, 200, lambda answer: answer["version"][0]),
    Case("metrics", "GET", "/metrics", None, 200, see_metrics),
    Case("an unknown route", "GET", "/v1/nothing", None, 404),
)


def failures(ask: Ask) -> list[str]:
    """What an engine answers otherwise, a line a case."""
    found = []
    for case in CASES:
        status, answer = ask(case.method, case.path, case.content)
        if status != case.status:
            found.append(f"{case.name}: {status}, not {case.status}: {str(answer)[:200]}")
            continue
        try:
            case.see(answer)
        except (AssertionError, KeyError, IndexError, TypeError, ValueError) as error:
            found.append(f"{case.name}: {type(error).__name__} {str(error)[:200]} in {str(answer)[:300]}")
    return found
