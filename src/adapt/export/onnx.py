"""Turns a merged model into an onnxruntime-genai folder, and scores tokens with it.

Enters: the merged model in float32. Leaves: model.onnx with its weights beside it, genai_config.json, tokenizer. The model builder runs in a
process of its own (see `adapt.export.builder`). 4 bits are k-quants with 8 bits for the output head and the layers that suffer most: on
SmolLM2-135M that is 0.16 nats from the adapter in 117 MB, where the builder's default is 0.39 nats in 90 MB.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import adapt
from adapt.artifact.progress import Progress
from adapt.errors import InputError, WorkspaceError
from adapt.export.golden import Golden
from adapt.export.logprobs import normalised
from adapt.export.runner import ANSWERED, CONTEXT

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "fp16", "int8", "int4"]

log = logging.getLogger(__name__)
_INT4 = ("algo_config=k_quant", "matmul_mixed_precision=last_matmul:int8,mixed_layers:int8")
_SILENT = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "TQDM_DISABLE": "1"}
_UNSUPPORTED = "is not currently supported"
_LAST_LINES = 20
_OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError", "bad_alloc", "not enough memory", "bad allocation")


def build_onnx(merged: Path, folder: Path, *, precision: Precision, cache: Path, progress: Progress, packed: bool = True) -> None:
    """Write the model of folder `merged` into `folder`. `cache` is the builder's scratch folder; `packed` joins queries, keys and values
    into one product.

    Raises InputError when the builder does not know the model's architecture.
    """
    options = ["--extra_options", "hf_remote=false", "hf_token=false", f"fuse_qkv={str(packed).lower()}", *(_INT4 if precision == "int4" else ())]
    provider = "cuda" if precision == "fp16" else "cpu"  # the builder's fp16 for CPUs does not answer: it lacks the fused attention
    arguments = ["-i", str(merged), "-o", str(folder), "-p", precision, "-e", provider, "-c", str(cache), *options]
    with progress.task("building ONNX") as task:
        code, lines = _run_builder(arguments, on_layer=task.advance)
    if code == 0:
        _run_anywhere(folder / "genai_config.json")
        return
    unsupported = next((line for line in lines if _UNSUPPORTED in line), None)
    if unsupported is not None:
        raise InputError("onnxruntime-genai cannot build a model of this architecture", hint="export it as merged or quantized")
    if is_out_of_memory(code, lines):
        raise WorkspaceError("onnxruntime-genai's model builder ran out of memory", hint="close other programs, or build where there is more")
    raise RuntimeError(f"onnxruntime-genai's model builder ended with {code}:\n" + "\n".join(lines))


def is_out_of_memory(code: int, lines: Sequence[str]) -> bool:
    """Whether a program's exit status and last lines are those of one that the system killed for memory, or refused more."""
    return code == -signal.SIGKILL or any(sign in line for line in lines for sign in _OUT_OF_MEMORY)


def _run_anywhere(path: Path) -> None:
    """Name no provider in genai_config.json: the graph runs on the CPU then, and on a GPU where a program appends its provider."""
    if path.is_file():
        config = json.loads(path.read_bytes())
        config["model"]["decoder"]["session_options"]["provider_options"] = []
        path.write_text(json.dumps(config, indent=4) + "\n", encoding="utf-8")


def _run_builder(arguments: Sequence[str], *, on_layer: Callable[[], None]) -> tuple[int, list[str]]:
    """Run the builder; gives its exit status and the last lines that it printed."""
    package = str(Path(adapt.__file__).parents[1])
    path = os.pathsep.join(part for part in (package, os.environ.get("PYTHONPATH", "")) if part)
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "adapt.export.builder", *arguments],  # its lines are progress, and stand before what it says at its end
        env={**os.environ, **_SILENT, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    last: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            if line.startswith("Reading layer"):
                on_layer()
        return process.wait(), list(last)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class GenaiRunner:
    """The model in a folder: the same graph and settings that onnxruntime-genai answers with, all positions in one pass."""

    def __init__(self, folder: Path, *, put_on: Callable[[Any], Any] | None = None, active: str = "") -> None:
        """`put_on` gives onnxruntime-genai's adapters for the loaded model, of which `active` answers."""
        import onnxruntime_genai as genai

        started = time.perf_counter()
        self._model = genai.Model(str(folder))
        self._adapters = put_on(self._model) if put_on else None
        self._active = active
        self.load_seconds = time.perf_counter() - started

    def score(self, index: int, golden: Golden) -> torch.Tensor:
        import numpy as np
        import torch

        generator = self._generator(golden.ids, more=1)
        return normalised(torch.from_numpy(np.array(generator.get_output("logits")))[0], golden)

    def tokens_per_second(self, golden: Golden) -> float:
        started = time.perf_counter()
        generator = self._generator(golden.prompt_ids[-CONTEXT:], more=ANSWERED)
        made = 0
        while not generator.is_done():
            generator.generate_next_token()
            made += 1
        return made / (time.perf_counter() - started)

    def _generator(self, ids: Sequence[int], *, more: int) -> Any:
        """A generator that has read `ids` and will answer with `more` tokens."""
        import numpy as np
        import onnxruntime_genai as genai

        parameters = genai.GeneratorParams(self._model)
        parameters.set_search_options(max_length=len(ids) + more, min_length=len(ids) + more, do_sample=False)
        generator = genai.Generator(self._model, parameters)
        if self._adapters is not None:
            generator.set_active_adapter(self._adapters, self._active)
        generator.append_tokens(np.array(ids, dtype=np.int32))
        return generator


def warn_of_other_ids(folder: Path, goldens: Sequence[Golden]) -> None:
    """Warn when onnxruntime-genai's own tokenizer, made from tokenizer.json, gives other ids than the one that the adapter was trained with."""
    import onnxruntime_genai as genai

    tokenizer = genai.Tokenizer(genai.Model(str(folder)))
    differing = [golden.record[:12] for golden in goldens if tuple(int(token) for token in tokenizer.encode(golden.text)) != golden.prompt_ids]
    if differing:
        log.warning(
            "onnxruntime-genai's tokenizer gives other ids than transformers' for %d of %d golden prompts (records %s): use the latter",
            len(differing),
            len(goldens),
            ", ".join(differing[:3]),
        )
