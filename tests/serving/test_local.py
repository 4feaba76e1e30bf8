"""The server for a machine without vLLM: OpenAI's routes on a model that a test makes up, and on a real tiny one."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapt.artifact.progress import QuietProgress
from adapt.serving.deploy import Release
from adapt.serving.keys import Keys
from adapt.serving.live import Live
from adapt.serving.local import LocalServer, Speaker, Wish
from adapt.serving.plugin.gate import Gate
from adapt.serving.plugin.refusal import RefusedError
from adapt.serving.plugin.store import Store
from adapt.serving.start import prepare
from tests.serving.adapters import Scene
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
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode() if body is not None else b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "GET" if body is None else "POST", "path": path, "headers": []}, receive, send))
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


@pytest.mark.parametrize("engine", ["transformers", "onnxruntime"])
def test_tiny_model_answers_as_peft_does_behind_the_same_door(tmp_path: Path, engine: str) -> None:
    """Two adapters and the base in one model, each as if it were alone."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    scene = Scene(tmp_path)
    base = tiny_base(tmp_path / "base")
    add_adapter(scene, base, "first", seed=1, r=4)
    add_adapter(scene, base, "second", seed=2, r=8, use_rslora=True)
    report = scene.render(base_folder=base, dtype="float32", max_model_len=256)
    live, keys = Live(tmp_path / "live", scene.out), Keys(tmp_path / "keys")
    prepare(live, keys, [Release(offer.name, scene.out / offer.path, ()) for offer in report.served], say=lambda _: None)
    speaker = speaker_of(engine, base, scene.out, live.store(), tmp_path)
    door = Gate(LocalServer(speaker, max_model_len=256), {"ADAPT_LIVE": str(live.folder), "ADAPT_CONFIGURATION": str(scene.out)})
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
