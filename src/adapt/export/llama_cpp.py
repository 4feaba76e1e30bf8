"""A GGUF file run by llama.cpp itself, through xllamacpp (extra `gguf`): a model, or an adapter on the base's own GGUF file.

xllamacpp starts llama.cpp's server inside this process, on a free port of the loopback address. That gives the log-probabilities of the whole
vocabulary for one position at a time, as megabytes of JSON, but the last hidden states of all positions at once. So those are asked for, and the
output head is applied here as llama.cpp applies it: to states rounded to the number format of the head's weights, which is what its kernels multiply.
A slow test holds the result against llama.cpp's own log-probabilities: they differ by 0.0002, which is what those add up to beyond 1.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.errors import InputError
from adapt.export.golden import TOKENS, Golden
from adapt.export.logprobs import normalised
from adapt.export.runner import ANSWERED, CONTEXT

if TYPE_CHECKING:
    from torch import Tensor

BINDING = "xllamacpp"
_SECONDS = 600


class LlamaCpp:
    """llama.cpp's server with one model, for token ids. `adapters` are put on the model in full strength. The calls raise OSError when it fails.

    `gives_states`: whether `states` is asked for too; without it, the server is that of those who only want answers.
    """

    def __init__(self, model: Path, adapters: Sequence[Path] = (), *, threads: int | None = None, gives_states: bool = True) -> None:
        binding = load_binding()
        options = binding.CommonParams()
        options.model.path = str(model)
        options.lora_adapters = [binding.CommonAdapterLoraInfo(str(path), 1.0) for path in adapters]
        options.n_ctx = TOKENS + ANSWERED
        options.n_parallel, options.verbosity, options.warmup = 1, -1, False
        if gives_states:
            options.n_batch = options.n_ubatch = options.n_ctx  # states are given for what fits into one step
            options.embedding, options.embd_normalize = True, -1
            options.pooling_type = binding.llama_pooling_type.LLAMA_POOLING_TYPE_NONE
        if threads:
            options.cpuparams.n_threads = options.cpuparams_batch.n_threads = threads
        started = time.perf_counter()
        self._server = binding.Server(options)
        self.load_seconds = time.perf_counter() - started

    @property
    def address(self) -> str:
        """URL of the server."""
        return str(self._server.listening_address)

    def states(self, ids: Sequence[int]) -> Tensor:
        """Hidden states before the output head, float32, shape (tokens, channels)."""
        import torch

        (found,) = self.post("/embedding", {"content": list(ids)})
        return torch.tensor(found["embedding"], dtype=torch.float32)

    def answer(self, ids: Sequence[int], *, tokens: int) -> list[int]:
        """Token ids of the greedy answer to a prompt; ends are answered through, so that it always has `tokens` tokens."""
        body = {"prompt": list(ids), "n_predict": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False, "return_tokens": True}
        return [int(token) for token in self.post("/completion", body)["tokens"]]

    def post(self, route: str, body: Any) -> Any:
        """What the server's route answers."""
        import httpx

        answer = httpx.post(self.address + route, content=json.dumps(body), timeout=_SECONDS, trust_env=False)
        if answer.is_error:
            raise OSError(f"llama.cpp: {route}: {answer.text[:300]}")
        return answer.json()


class LlamaCppRunner:
    """A GGUF export in llama.cpp. `model` is the file that holds the output head."""

    def __init__(self, model: Path, adapters: Sequence[Path] = ()) -> None:
        self._engine = LlamaCpp(model, adapters)
        self._head = Head(model)

    @property
    def load_seconds(self) -> float:
        return self._engine.load_seconds

    def score(self, index: int, golden: Golden) -> Tensor:
        states = self._engine.states(golden.ids)
        return normalised(self._head.logits(states[-golden.positions - 1 :]), golden)

    def tokens_per_second(self, golden: Golden) -> float:
        started = time.perf_counter()
        self._engine.answer(golden.prompt_ids[-CONTEXT:], tokens=ANSWERED)
        return ANSWERED / (time.perf_counter() - started)


class Head:
    """The output head in a GGUF file: its own weights, or the embeddings where the two are tied."""

    def __init__(self, model: Path) -> None:
        import gguf
        import torch

        tensors = {str(tensor.name): tensor for tensor in gguf.GGUFReader(model).tensors}
        found = tensors.get("output.weight", tensors["token_embd.weight"])
        self._kind, widen = found.tensor_type, gguf.quants.dequantize
        self._weight = torch.from_numpy(widen(found.data, self._kind).copy())

    def logits(self, states: Tensor) -> Tensor:
        """Logits of hidden states of shape (tokens, channels), as llama.cpp's kernels round: float32, shape (tokens, vocabulary)."""
        import gguf
        import torch

        quantized = gguf.quants.quantize(states.numpy(), self._kind)
        rounded = torch.from_numpy(gguf.quants.dequantize(quantized, self._kind).copy())
        return rounded @ self._weight.T


def load_binding() -> Any:
    """The xllamacpp module, by name: it is optional, and `resolve` counts it among a stage's libraries only where the spec asks for it.

    Raises InputError where it is not installed.
    """
    try:
        return importlib.import_module(BINDING)
    except ImportError as error:
        raise InputError(f"llama.cpp is asked for, and it cannot be loaded: {error}", hint="pip install 'adapt-build[gguf]'") from None
