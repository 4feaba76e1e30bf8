import asyncio
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from adapt.artifact.progress import QuietProgress
from adapt.dataset.synthesis.openai import OpenAITeacher
from adapt.dataset.synthesis.pace import Pace, read_retry_after
from adapt.dataset.synthesis.store import AnswerStore
from adapt.dataset.synthesis.talk import Failure, Messages, say
from adapt.errors import InputError
from adapt.spec.synthesis import OpenAITeacher as Spec
from tests.dataset.endpoint import Endpoint, Reply, Request, serving

PROMPTS = [say(f"question {number}") for number in range(6)]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def echo(request: Request, number: int) -> Reply:
    return Reply(f"answer to {request.asked}")


def teacher(endpoint: Endpoint | str, **settings: Any) -> OpenAITeacher:
    url = endpoint if isinstance(endpoint, str) else endpoint.url
    return OpenAITeacher(Spec(**{"kind": "openai", "url": url, "model": "tiny", "attempts": 3, **settings}), pause_seconds=0.01)


def answers(asked: OpenAITeacher, prompts: list[Messages] = PROMPTS) -> list[str | Failure]:
    return [answer for _, answer in sorted(asked.ask(prompts), key=lambda entry: entry[0])]


def test_the_endpoint_is_asked_as_the_spec_says() -> None:
    with serving(echo) as endpoint:
        assert answers(teacher(endpoint, temperature=0.5, max_tokens=7)) == [f"answer to question {number}" for number in range(6)]
    (first, *_) = endpoint.requests
    assert (first.path, first.authorization) == ("/v1/chat/completions", None)
    assert {key: first.body[key] for key in ("model", "temperature", "max_tokens")} == {"model": "tiny", "temperature": 0.5, "max_tokens": 7}
    assert first.body["messages"][0]["role"] == "user"


def test_requests_go_out_together_up_to_the_bound_and_answers_come_as_they_arrive() -> None:
    with serving(lambda request, number: Reply(request.asked, delay=0.4 if request.asked == "question 0" else 0.02)) as endpoint:
        order = [number for number, _ in teacher(endpoint, concurrency=3).ask(PROMPTS)]
    assert endpoint.together == 3
    assert order[-1] == 0
    assert sorted(order) == list(range(6))


def test_prompts_are_taken_only_as_there_is_room() -> None:
    taken: list[int] = []

    def prompts() -> Iterator[Messages]:
        for number, prompt in enumerate(PROMPTS):
            taken.append(number)
            yield prompt

    with serving(echo) as endpoint:
        asking = teacher(endpoint, concurrency=2).ask(prompts())
        next(asking)
        assert len(taken) <= 3
        asking.close()


def test_the_key_goes_into_the_header_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-secret\n")
    with serving(echo) as endpoint:
        asked = teacher(endpoint, key_variable="TEACHER_KEY")
        answers(asked, PROMPTS[:1])
    assert endpoint.requests[0].authorization == "Bearer sk-secret"
    assert "sk-secret" not in repr(asked.settings)


def test_a_missing_key_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    with pytest.raises(InputError, match="environment variable TEACHER_KEY, which is not set"):
        teacher("http://127.0.0.1:1/v1", key_variable="TEACHER_KEY")


def test_a_url_with_a_user_is_refused() -> None:
    with pytest.raises(InputError, match="names a user"):
        teacher("http://me:word@127.0.0.1:1/v1")


def test_a_wrong_key_stops_the_build_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-secret")
    reply = Reply(status=401, body=b'{"error": {"message": "Incorrect API key provided: sk-secret"}}')
    refused = pytest.raises(InputError, match=r"refuses the key in TEACHER_KEY \(status 401\)")
    with serving(lambda request, number: reply) as endpoint, refused as caught:
        answers(teacher(endpoint, key_variable="TEACHER_KEY", concurrency=1))
    assert "sk-secret" not in str(caught.value)
    assert len(endpoint.requests) == 1


def test_an_unknown_model_stops_the_build_with_the_servers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-secret")
    body = b'{"error": {"message": "The model `tiny` does not exist for sk-secret."}}'
    with serving(lambda request, number: Reply(status=404, body=body)) as endpoint, pytest.raises(InputError, match="does not exist") as caught:
        answers(teacher(endpoint, key_variable="TEACHER_KEY"))
    assert "sk-secret" not in str(caught.value)


def test_a_redirect_is_not_followed() -> None:
    reply = Reply(status=307, headers=(("Location", "http://127.0.0.1:1/elsewhere"),))
    refused = pytest.raises(InputError, match=r"sends to another address \(status 307\)")
    with serving(lambda request, number: reply) as endpoint, refused:
        answers(teacher(endpoint))


def test_a_failing_server_is_tried_again() -> None:
    with serving(lambda request, number: Reply(status=500) if number < 2 else echo(request, number)) as endpoint:
        assert answers(teacher(endpoint), PROMPTS[:1]) == ["answer to question 0"]
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(status=503), "The server answered with status 503."),
        (Reply(status=408), "The server answered with status 408."),
        (Reply(status=425), "The server answered with status 425."),
        (Reply(body=b"no gzip", headers=(("Content-Encoding", "gzip"),)), "The server's answer is packed in a way that cannot be read."),
        (Reply(body=b"[" * 100_000), "The server answered with something else than a chat completion."),
        (Reply(body=b'"\xff"'), "The server answered with something else than a chat completion."),
        (Reply(body=b"<html>"), "The server answered with something else than a chat completion."),
        (Reply(body=b'{"choices": []}'), "The server answered with something else than a chat completion."),
        (Reply(body=b'[{"choices": 1}]'), "The server answered with something else than a chat completion."),
        (Reply(hang_up=True), "The connection broke."),
        (Reply("late", delay=0.4), "No answer within 0.1 seconds."),
    ],
)
def test_what_stays_broken_fails_after_all_attempts(reply: Reply, reason: str) -> None:
    with serving(lambda request, number: reply) as endpoint:
        waiting = 0.1 if reply.delay else 30  # seconds; a busy machine must not make a failure of another kind late
        assert answers(teacher(endpoint, timeout_seconds=waiting), PROMPTS[:1]) == [Failure(reason)]
        assert len(endpoint.requests) == 3


def test_a_prompt_that_is_refused_is_not_tried_again() -> None:
    body = b'{"error": {"message": "maximum context length"}}'
    with serving(lambda request, number: Reply(status=400, body=body) if request.asked == "question 1" else echo(request, number)) as endpoint:
        found = answers(teacher(endpoint))
    assert found[1] == Failure("The server refused the prompt with status 400.", "maximum context length", refused=True)
    assert len(endpoint.requests) == 6


def test_a_busy_server_gets_the_pause_that_it_asks_for() -> None:
    busy = Reply(status=429, headers=(("Retry-After", "1"),))
    with serving(lambda request, number: busy if number == 0 else echo(request, number)) as endpoint:
        assert answers(teacher(endpoint, concurrency=1, attempts=1), PROMPTS[:2]) == ["answer to question 0", "answer to question 1"]
    assert endpoint.requests[1].time - endpoint.requests[0].time >= 0.95


def test_an_answer_that_only_drips_in_is_given_up() -> None:
    with serving(lambda request, number: Reply(body=b" " * 100, drip=0.05)) as endpoint:
        began = time.monotonic()
        assert answers(teacher(endpoint, attempts=1, timeout_seconds=0.3), PROMPTS[:1]) == [Failure("No answer within 0.3 seconds.")]
        assert time.monotonic() - began < 2


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.dataset.synthesis.openai._MOST_BYTES", 1000)
    with serving(lambda request, number: Reply("word " * 10_000)) as endpoint:
        (found,) = answers(teacher(endpoint, attempts=1), PROMPTS[:1])
    assert found == Failure("The server answered with something else than a chat completion.")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_a_proxy_of_the_environment_sees_nothing(monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv(variable, proxy)
    with serving(echo) as endpoint:
        assert answers(teacher(endpoint), PROMPTS[:1]) == ["answer to question 0"]


@pytest.mark.parametrize("url", ["http://[::1", "http://localhost:99999999/v1", "http:///v1"])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(InputError, match="is no URL"):
        answers(teacher(url))


def test_certificates_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(InputError, match="no connection can be set up") as caught:
        answers(teacher("https://127.0.0.1:9/v1"))
    assert "SSL_CERT_FILE" in str(caught.value.hint)


def test_lone_surrogates_in_an_answer_are_replaced() -> None:
    body = b'{"choices": [{"message": {"content": "half \\ud83d, whole \\ud83d\\ude00"}}]}'
    with serving(lambda request, number: Reply(body=body)) as endpoint:
        assert answers(teacher(endpoint), PROMPTS[:1]) == ["half \ufffd, whole \U0001f600"]
    refusal = Reply(status=400, body=b'{"error": {"message": "\\udc00"}}')
    with serving(lambda request, number: refusal) as endpoint:
        assert answers(teacher(endpoint), PROMPTS[:1]) == [Failure("The server refused the prompt with status 400.", "\ufffd", refused=True)]


def test_after_a_pause_requests_keep_to_the_rate() -> None:
    async def times() -> list[float]:
        pace, clock, went = Pace(1200), asyncio.get_running_loop().time, list[float]()

        async def go() -> None:
            await pace.wait()
            went.append(clock())

        waiting = [asyncio.create_task(go()) for _ in range(4)]
        await asyncio.sleep(0)
        pace.hold(0.3)
        await asyncio.gather(*waiting)
        return went

    went = asyncio.run(times())
    assert all(after - before >= 0.045 for before, after in pairwise(went))
    assert went[1] - went[0] >= 0.29


def test_answers_in_hand_are_given_before_the_build_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(self: object, messages: Messages) -> str:
        if messages == PROMPTS[1]:
            raise InputError("the key is refused")
        return messages[0].content

    monkeypatch.setattr("adapt.dataset.synthesis.openai._Requests.answer", answer)
    given = []
    with pytest.raises(InputError, match="the key is refused"):  # noqa: PT012 (what came before the error counts)
        for found in teacher("http://127.0.0.1:1/v1").ask(PROMPTS[:3]):
            given.append(found)
    assert given == [(0, "question 0"), (2, "question 2")]


def test_pauses_are_read_as_seconds_or_as_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert read_retry_after(soon) == pytest.approx(29.5, abs=1)
    assert (read_retry_after("7"), read_retry_after("99999"), read_retry_after("soon"), read_retry_after(None)) == (7.0, 600.0, None, None)


def test_requests_keep_to_the_rate() -> None:
    with serving(echo) as endpoint:
        answers(teacher(endpoint, requests_per_minute=600), PROMPTS[:4])
    assert endpoint.requests[-1].time - endpoint.requests[0].time >= 0.28


def test_nobody_at_the_address_stops_the_build() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InputError, match=f"nobody answers at http://127.0.0.1:{port}/v1"):
        answers(teacher(f"http://127.0.0.1:{port}/v1"))


def test_a_server_that_only_fails_stops_the_build() -> None:
    reply = Reply(status=400, body=b'{"error": {"message": "unknown field"}}')
    refused = pytest.raises(InputError, match=r"failed 8 times in a row, .* status 400\. The server said: unknown field")
    with serving(lambda request, number: reply) as endpoint, refused:
        answers(teacher(endpoint), [say(str(number)) for number in range(20)])


def test_a_build_that_is_stopped_leaves_no_request_behind() -> None:
    with serving(lambda request, number: Reply("slow", delay=0.0 if number == 0 else 2.0)) as endpoint:
        asking = teacher(endpoint, concurrency=4).ask(PROMPTS)
        next(asking)
        began = time.monotonic()
        asking.close()
        assert time.monotonic() - began < 1.0


def test_answers_are_kept_as_they_arrive_and_not_asked_again(tmp_path: Path) -> None:
    def fails_later(request: Request, number: int) -> Reply:
        return echo(request, number) if number < 3 else Reply(status=401)

    refused = pytest.raises(InputError, match="refuses")
    with serving(fails_later) as endpoint, QuietProgress().task("") as task, AnswerStore(tmp_path) as store, refused:
        store.ask(teacher(endpoint, concurrency=1), PROMPTS, 1, task)
    with serving(echo) as endpoint, QuietProgress().task("") as task, AnswerStore(tmp_path) as store:
        assert store.ask(teacher(endpoint, concurrency=1), PROMPTS, 1, task) == [f"answer to question {number}" for number in range(6)]
        assert [request.asked for request in endpoint.requests] == ["question 3", "question 4", "question 5"]
        store.ask(teacher(endpoint), PROMPTS, 1, task)
        assert len(endpoint.requests) == 3
        store.ask(teacher(endpoint, temperature=1), PROMPTS[:1], 1, task)
        store.ask(teacher(endpoint), PROMPTS[:1], 2, task)
        assert len(endpoint.requests) == 5


def test_equal_prompts_are_asked_once_and_failures_are_asked_again(tmp_path: Path) -> None:
    with AnswerStore(tmp_path) as store, QuietProgress().task("") as task:
        with serving(lambda request, number: Reply(status=500)) as endpoint:
            assert store.ask(teacher(endpoint, attempts=1), [PROMPTS[0]] * 3, 1, task) == [Failure("The server answered with status 500.")] * 3
            assert len(endpoint.requests) == 1
        with serving(echo) as endpoint:
            assert store.ask(teacher(endpoint), [PROMPTS[0]] * 3, 1, task) == ["answer to question 0"] * 3


def test_what_a_teacher_left_without_an_answer_fails_at_the_end(tmp_path: Path) -> None:
    def reply(request: Request, number: int) -> Reply:
        return Reply(status=500 if request.asked == "question 1" else 400)

    with AnswerStore(tmp_path) as store, QuietProgress().task("") as task, serving(reply) as endpoint:
        asked = teacher(endpoint, attempts=1)
        store.ask(asked, PROMPTS[:1], 1, task)
        store.require_answers(asked)
        store.ask(asked, PROMPTS[:2], 1, task)
    with pytest.raises(InputError, match=r"left 1 prompt without an answer, the last time so: The server answered with status 500\.") as caught:
        store.require_answers(asked)
    assert caught.value.hint == "build again: what was answered is kept, and only the rest is asked"


def test_a_store_that_breaks_under_way_is_named(tmp_path: Path) -> None:
    with AnswerStore(tmp_path) as store, QuietProgress().task("") as task, serving(echo) as endpoint:
        store.ask(teacher(endpoint), PROMPTS[:1], 1, task)
        (tmp_path / "answers.sqlite").write_bytes(b"broken by another hand " * 1000)
        with pytest.raises(InputError, match=r"answers\.sqlite cannot be used"):
            store.ask(teacher(endpoint), PROMPTS, 1, task)


def test_a_store_that_another_build_holds_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.dataset.synthesis.store._SECONDS_FOR_ANOTHER_BUILD", 0.05)
    with AnswerStore(tmp_path) as store, QuietProgress().task("") as task, serving(echo) as endpoint:
        other = sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match="database is locked") as caught:
            store.ask(teacher(endpoint), PROMPTS[:1], 1, task)
        other.close()
    assert "another build" in str(caught.value.hint)


def test_a_store_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_bytes(b"not a database, and long enough to be read as one" * 50)
    with pytest.raises(InputError, match="cannot be used"), AnswerStore(tmp_path):
        pass


def test_of_two_builds_at_once_the_first_answer_counts_for_both(tmp_path: Path) -> None:
    with serving(echo) as endpoint, AnswerStore(tmp_path) as ours, AnswerStore(tmp_path) as theirs, QuietProgress().task("") as task:

        class Slow(OpenAITeacher):
            def ask(self, prompts: Iterable[Messages]) -> Iterator[tuple[int, str | Failure]]:
                theirs.ask(teacher(endpoint), PROMPTS[:1], 1, task)
                yield 0, "another answer"

        spec = Spec.model_validate({"kind": "openai", "url": endpoint.url, "model": "tiny"})
        assert ours.ask(Slow(spec), PROMPTS[:1], 1, task) == ["answer to question 0"]
