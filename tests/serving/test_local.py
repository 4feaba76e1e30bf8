"""The server for a machine without vLLM: OpenAI's routes on a model that a test makes up, and on a real tiny one."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapt.artifact.progress import QuietProgress
from adapt.serving.deploy import Release
from adapt.serving.journal import NameState
from adapt.serving.keys import Keys
from adapt.serving.live import Live
from adapt.serving.local import LocalServer, Speaker, Wish
from adapt.serving.plugin.gate import Gate
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.store import Store
from adapt.serving.start import prepare
from tests.serving.adapters import Scene
from tests.serving.conformance import failures
from tests.serving.servers import add_adapter
from tests.tiny import tiny_base


class Echo:
    """Says what it was asked, a word a token."""

    def __init__(self) -> None:
        self.wishes: list[Wish] = []
        self.unloaded: list[str] = []

    def encode(self, prompt: Any) -> list[int]:
        if isinstance(prompt, str):
            return [len(prompt)]
        if not all(isinstance(turn, dict) for turn in prompt):
            raise ValueError("messages must be a list of objects")
        return [len(turn["content"]) for turn in prompt]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))

    def speak(self, model: str, ids: list[int], wish: Wish) -> Iterator[tuple[str, int]]:
        if model == "refused":
            raise RefusedError("it is not signed")
        self.wishes.append(wish)
        for number, piece in enumerate(["one ", "two ", "three"][: wish.max_tokens], start=1):
            yield piece, number

    def loaded(self) -> list[str]:
        return ["base"]

    def unload(self, version: str) -> None:
        self.unloaded.append(version)


def ask(app: Any, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and answer."""
    return send(app, "GET" if body is None else "POST", path, None if body is None else json.dumps(body).encode())


def send(app: Any, method: str, path: str, content: bytes | None) -> tuple[int, Any]:
    """Status and answer of a request to an ASGI application."""
    sent: list[dict[str, Any]] = []

    pending = [{"type": "http.request", "body": content or b""}]

    async def receive() -> dict[str, Any]:
        if not pending:
            await asyncio.Event().wait()  # the client stays
        return pending.pop()

    async def take(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": method, "path": path, "headers": []}, receive, take))
    text = b"".join(message.get("body", b"") for message in sent).decode()
    try:
        return sent[0]["status"], json.loads(text)
    except ValueError:
        return sent[0]["status"], text


@pytest.fixture
def echo() -> Echo:
    return Echo()


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "base", "messages": [{"role": "user", "content": "hello"}], **more}


def test_answers_have_the_shape_of_openai(echo: Echo) -> None:
    status, answer = ask(LocalServer(echo, max_model_len=99), "/v1/chat/completions", chat(max_tokens=2, temperature=0))
    assert (status, answer["model"], answer["object"]) == (200, "base", "chat.completion")
    assert answer["choices"] == [{"index": 0, "message": {"role": "assistant", "content": "one two "}, "finish_reason": "length"}]
    assert answer["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    status, answer = ask(LocalServer(echo, max_model_len=99), "/v1/completions", {"model": "base", "prompt": "a", "max_tokens": 9})
    assert (answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]) == ("one two three", "stop")
    assert echo.wishes == [Wish(2, 0.0, 1.0), Wish(9, 1.0, 1.0)]


def test_streams_end_with_the_reason_and_the_tokens_where_asked(echo: Echo) -> None:
    body = chat(max_tokens=3, stream=True, stream_options={"include_usage": True})
    _, text = ask(LocalServer(echo, max_model_len=99), "/v1/chat/completions", body)
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1]) == "one two three"
    assert events[-2]["choices"][0]["finish_reason"] == "length"
    assert events[-1]["usage"]["total_tokens"] == 4
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": "base"}, "lacks or misuses 'messages'"),
        (chat(max_tokens=0), "max_tokens must be at least 1"),
        (chat(max_tokens="x"), "invalid literal"),
        (chat(temperature=9), "temperature between 0 and 2"),
        (chat(max_tokens=99), "the prompt has 1 tokens; with 99 of an answer that is more than 99"),
        (chat(max_tokens=float("inf")), "cannot convert float infinity"),
        (chat(stream=True, stream_options=[1]), "stream_options must be an object"),
        (chat(n=2), "n is not known to this engine"),
        (chat(stop=["a"]), "stop is not known to this engine"),
        (chat(logprobs=True), "logprobs is not known to this engine"),
        (chat(tools=[{"type": "function"}]), "tools is not known to this engine"),
        ({"model": "base", "messages": ["a"]}, "messages must be a list of objects"),
        ({"model": "base", "messages": "a"}, "messages must be a list of objects"),
        ({"messages": []}, "lacks or misuses 'model'"),
    ],
)
def test_requests_that_cannot_be_answered_are_refused(echo: Echo, body: dict[str, Any], expected: str) -> None:
    status, answer = ask(LocalServer(echo, max_model_len=99), "/v1/chat/completions", body)
    assert status == 400
    assert expected in answer["error"]["message"]


def test_several_prompts_at_once_are_refused(echo: Echo) -> None:
    status, answer = ask(LocalServer(echo, max_model_len=99), "/v1/completions", {"model": "base", "prompt": ["a", "b"]})
    assert (status, answer["error"]["message"]) == (400, "prompt must be one text; this engine answers one at a time")
    assert ask(LocalServer(echo, max_model_len=99), "/tokenize", {"prompt": ["a"]})[0] == 400


def test_fields_that_ask_for_nothing_are_no_reason_to_refuse(echo: Echo) -> None:
    body = chat(n=1, stop=None, logprobs=False, presence_penalty=0.0, tools=[], user="ann")
    assert ask(LocalServer(echo, max_model_len=99), "/v1/chat/completions", body)[0] == 200


def test_an_answer_of_no_given_length_fits_the_model(echo: Echo) -> None:
    assert ask(LocalServer(echo, max_model_len=50), "/v1/completions", {"model": "base", "prompt": "abc"})[0] == 200
    assert echo.wishes == [Wish(49, 1.0, 1.0)]


def test_refused_versions_and_other_routes_are_not_found(echo: Echo) -> None:
    app = LocalServer(echo, max_model_len=99)
    assert ask(app, "/v1/chat/completions", chat(max_tokens=3) | {"model": "refused"})[0] == 404
    assert ask(app, "/v1/load_lora_adapter", {})[0] == 404
    assert ask(app, "/health")[0] == 200
    assert ask(app, "/v1/unload_lora_adapter", {"lora_name": "a"})[0] == 200
    assert echo.unloaded == ["a"]


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ({"max_tokens": 2, "max_completion_tokens": None}, 2),
        ({"max_tokens": None, "max_completion_tokens": 2}, 2),
        ({"max_tokens": 3, "max_completion_tokens": 2}, 2),
        ({"max_tokens": None, "max_completion_tokens": None}, 49),
    ],
)
def test_null_is_as_if_a_field_were_not_given(echo: Echo, fields: dict[str, Any], length: int) -> None:
    nulls = dict.fromkeys(("temperature", "top_p", "stream", "stream_options", "user", "n", "seed", "stop", "logprobs", "tools"))
    assert ask(LocalServer(echo, max_model_len=50), "/v1/chat/completions", chat(**nulls, **fields))[0] == 200
    assert echo.wishes == [Wish(length, 1.0, 1.0)]


def test_empty_prompts_are_refused(echo: Echo) -> None:
    app = LocalServer(echo, max_model_len=50)
    echo.encode = lambda prompt: []  # type: ignore[method-assign]
    for path, body in (("/v1/completions", {"model": "base", "prompt": ""}), ("/v1/chat/completions", {"model": "base", "messages": []})):
        status, answer = ask(app, path, body)
        assert (status, answer["error"]["message"]) == (400, "the prompt is empty: give at least one token")


def test_routes_that_clients_and_supervisors_look_for(echo: Echo) -> None:
    app = LocalServer(echo, max_model_len=50, engine="onnxruntime")
    assert ask(app, "/ping")[0] == 200
    assert ask(app, "/version")[1]["engine"] == "onnxruntime"
    assert ask(app, "/detokenize", {"tokens": [104, 105]}) == (200, {"prompt": "hi"})
    for tokens in (["a"], "a", [1.5], [True], [-1], None):
        assert ask(app, "/detokenize", {"tokens": tokens})[0] == 400
    assert ask(app, "/v1/models")[1]["data"] == [{"id": "base", "object": "model", "created": 0, "owned_by": "adapt"}]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_nobody_waits_for_is_given_up(stream: bool) -> None:
    """The client goes after the second of a thousand pieces; the next request is answered."""
    closed: list[int] = []
    left = asyncio.Event()

    class Endless(Echo):
        def speak(self, model: str, ids: list[int], wish: Wish) -> Iterator[tuple[str, int]]:
            number = 0
            try:
                for number in range(1, 1000):
                    if number == 2:
                        loop.call_soon_threadsafe(left.set)
                    time.sleep(0.002)
                    yield "word ", number
            finally:
                closed.append(number)

    async def go() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        pending = [{"type": "http.request", "body": json.dumps(chat(max_tokens=900, stream=stream)).encode()}]

        async def receive() -> dict[str, Any]:
            if pending:
                return pending.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            pass

        await app({"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}, receive, send)

    loop: Any = None
    app = LocalServer(Endless(), max_model_len=2000)
    asyncio.run(go())
    assert len(closed) == 1
    assert closed[0] < 900
    assert ask(LocalServer(Echo(), max_model_len=50), "/v1/completions", {"model": "base", "prompt": "a"})[0] == 200


_SERVES = """
import sys
from pathlib import Path
from adapt.serving.local import run_server
from adapt.serving.plugin import store
copies = store._make_copies()
(copies / "weights").write_bytes(b"x" * 1000)
print(copies, flush=True)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.startup":
                print("ready", flush=True)
            else:
                return

run_server(app, host="127.0.0.1", port=0)
"""


@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL])
def test_copies_of_a_server_are_gone_when_it_ends_or_the_next_begins(tmp_path: Path, ends_by: signal.Signals) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    folders = []
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", _SERVES], stdout=subprocess.PIPE, env=environment, text=True) as server:
            assert server.stdout is not None
            folders.append(Path(server.stdout.readline().strip()))
            assert server.stdout.readline() == "ready\n"
            present = [folder.is_dir() for folder in folders]
            server.send_signal(ends_by)
            code = server.wait(timeout=60)
        assert present == [*[False] * (len(folders) - 1), True]
        assert code == (0 if ends_by is signal.SIGTERM else -signal.SIGKILL)
        assert folders[-1].is_dir() is (ends_by is signal.SIGKILL)


def speaker_of(engine: str, base: Path, configuration: Path, store: Store, folder: Path) -> Speaker:
    from adapt.cli.encoder import Encoder
    from adapt.cli.onnx_speaker import OnnxSpeaker, cached_graph
    from adapt.cli.speaker import TransformersSpeaker

    encoder = Encoder(base, configuration)
    if engine == "transformers":
        return TransformersSpeaker(base, encoder, store, dtype="float32")
    graphs = [cached_graph(base, "d" * 64, precision="fp32", cache=folder / "cache", progress=QuietProgress()) for _ in range(2)]
    assert graphs[0] == graphs[1]
    return OnnxSpeaker(base, graphs[0], encoder, store)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    scene = Scene(tmp_path_factory.mktemp("local"))
    base = tiny_base(scene.root / "base")
    add_adapter(scene, base, "first", seed=1, r=4)
    add_adapter(scene, base, "second", seed=2, r=8, use_rslora=True)
    report = scene.render(base_folder=base, dtype="float32", max_model_len=256)
    live, keys = Live(scene.root / "live", scene.out), Keys(scene.root / "keys")
    prepare(live, keys, [Release(offer.name, scene.out / offer.path, ()) for offer in report.served], say=lambda _: None)
    return scene


def guarded(scene: Scene, engine: str) -> tuple[Gate, Speaker]:
    """An engine behind the middleware."""
    live = Live(scene.root / "live", scene.out)
    speaker = speaker_of(engine, scene.root / "base", scene.out, live.loading_store(), scene.root)
    environment = {"ADAPT_LIVE": str(live.folder), "ADAPT_CONFIGURATION": str(scene.out)}
    return Gate(LocalServer(speaker, max_model_len=256), environment), speaker


@pytest.mark.parametrize("engine", ["transformers", "onnxruntime"])
def test_local_engines_answer_the_table_that_vllm_is_held_to(scene: Scene, engine: str) -> None:
    app, _ = guarded(scene, engine)
    assert failures(lambda method, path, content: send(app, method, path, content)) == []


@pytest.mark.parametrize("engine", ["transformers", "onnxruntime"])
def test_tiny_model_answers_as_peft_does_behind_the_same_door(scene: Scene, engine: str) -> None:
    """Two adapters and the base in one model, each as if it were alone."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    door, speaker = guarded(scene, engine)
    base = scene.root / "base"
    tokenizer = AutoTokenizer.from_pretrained(base)
    for name in ("base", "first", "second", "base", "first"):
        status, answer = ask(door, "/v1/chat/completions", chat(max_tokens=6, temperature=0) | {"model": name})
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        if name != "base":
            model = PeftModel.from_pretrained(model, str(scene.adapters / name)).eval()
        ids = tokenizer.apply_chat_template(chat()["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True)
        expected = model.generate(**ids, max_new_tokens=6, do_sample=False)[0, ids["input_ids"].shape[1] :]
        assert (status, answer["model"]) == (200, name)
        assert answer["choices"][0]["message"]["content"] == tokenizer.decode(expected, skip_special_tokens=True), name
        assert answer["usage"]["completion_tokens"] == len(expected)
    status, answer = ask(door, "/v1/chat/completions", chat(max_tokens=6, temperature=1, top_p=0.9) | {"model": "first"})
    assert (status, 1 <= answer["usage"]["completion_tokens"] <= 6) == (200, True)
    versions = speaker.loaded()[1:]
    assert len(versions) == 2
    speaker.unload(versions[0])
    assert speaker.loaded() == ["base", versions[1]]
    assert ask(door, "/v1/chat/completions", chat(max_tokens=6, temperature=0) | {"model": "first"})[0] == 200


def test_local_engines_load_what_the_journal_leads_to(scene: Scene, tmp_path: Path) -> None:
    live = Live(Path(shutil.copytree(scene.root / "live", tmp_path / "live")), scene.out)
    (version,) = live.aliases()["second"]
    live.loading_store().check(version)
    live.journal.change("second", lambda state: NameState(), action="retire")
    with pytest.raises(RefusedError, match="no roll-out leads to it"):
        live.loading_store().load(version)
