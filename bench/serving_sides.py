"""How bench/serving.py has each side answer: vLLM over HTTP as `adapt serve` starts it, onnxruntime-genai in this process, llama.cpp's own server.

Every side gets the same token ids, answers greedily, and goes on past ends for the same number of tokens.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx

START_SECONDS = 600
Ask = Callable[[str, Sequence[int], int], "Answer"]
"""Model, prompt, number of tokens -> the answer."""


class Answer(NamedTuple):
    """One answer: what went in and came out, and seconds from the question to its first token and to its end."""

    prompt_tokens: int
    tokens: int
    first_seconds: float
    seconds: float
    text: str


def over_vllm(url: str, headers: dict[str, str]) -> Ask:
    """Asks `/v1/completions` with token ids, streamed."""
    http = httpx.Client(base_url=url, headers=headers, timeout=START_SECONDS, trust_env=False)

    def ask(model: str, ids: Sequence[int], tokens: int) -> Answer:
        body = {"model": model, "prompt": list(ids), "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True}
        started, first, text, usage = time.perf_counter(), 0.0, "", {}
        for event in _events(http, "/v1/completions", {**body, "stream_options": {"include_usage": True}}):
            first = first or time.perf_counter() - started
            text += "".join(choice["text"] for choice in event["choices"])
            usage = event.get("usage") or usage
        return Answer(usage["prompt_tokens"], usage["completion_tokens"], first, time.perf_counter() - started, text)

    return ask


def over_llama_cpp(address: str) -> Ask:
    """Asks llama.cpp's `/completion`, streamed."""
    headers = {"Connection": "close"}  # its server ends a connection after some answers without a word
    http = httpx.Client(base_url=address, headers=headers, timeout=START_SECONDS, trust_env=False)

    def ask(model: str, ids: Sequence[int], tokens: int) -> Answer:
        body = {"prompt": list(ids), "n_predict": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False, "stream": True}
        started, first, text, last = time.perf_counter(), 0.0, "", {}
        for event in _events(http, "/completion", body):
            first = first or time.perf_counter() - started
            text, last = text + event["content"], event
        return Answer(last["tokens_evaluated"], last["tokens_predicted"], first, time.perf_counter() - started, text)

    return ask


def in_genai(folder: Path, threads: int) -> Ask:
    """Asks the model in an onnxruntime-genai folder."""
    import numpy as np
    import onnxruntime_genai as genai

    config = genai.Config(str(folder))
    config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
    model = genai.Model(config)
    tokenizer = genai.Tokenizer(model)

    def ask(name: str, ids: Sequence[int], tokens: int) -> Answer:
        parameters = genai.GeneratorParams(model)
        parameters.set_search_options(max_length=len(ids) + tokens, min_length=len(ids) + tokens, do_sample=False)
        started, first = time.perf_counter(), 0.0
        generator = genai.Generator(model, parameters)
        generator.append_tokens(np.array(ids, dtype=np.int32))
        while not generator.is_done():
            generator.generate_next_token()
            first = first or time.perf_counter() - started
        seconds = time.perf_counter() - started
        answer = generator.get_sequence(0)[len(ids) :]
        return Answer(len(ids), len(answer), first, seconds, tokenizer.decode(answer))

    return ask


def _events(http: httpx.Client, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with http.stream("POST", path, json=body) as response:
        if response.is_error:
            raise SystemExit(f"{path}: {response.read().decode()[:500]}")
        for line in response.iter_lines():
            if line.startswith("data: {"):
                yield json.loads(line[len("data: ") :])


@contextmanager
def running(command: Sequence[str], *, port: int, log: Path, cwd: Path | None = None, **environment: str) -> Iterator[str]:
    """A server of this command; its URL once it is healthy."""
    url, end = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=os.environ | environment, cwd=cwd, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
    try:
        while not _healthy(url):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the server did not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind of its own session


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
