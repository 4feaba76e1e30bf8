"""Turns a merged model into an onnxruntime-genai folder, and scores tokens with it.

Enters: the merged model in float32. Leaves: model.onnx with its weights beside it, genai_config.json, tokenizer. The model builder runs in a
process of its own (see `adapt.export.builder`). 4 bits are k-quants with 8 bits for the output head and the layers that suffer most: on
SmolLM2-135M that is 0.16 nats from the adapter in 117 MB, where the builder's default is 0.39 nats in 90 MB.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import adapt
from adapt.artifact.progress import Progress
from adapt.errors import InputError
from adapt.export.golden import Golden
from adapt.export.logprobs import normalised

if TYPE_CHECKING:
    from adapt.export.logprobs import Scorer

log = logging.getLogger(__name__)
_INT4 = ("algo_config=k_quant", "matmul_mixed_precision=last_matmul:int8,mixed_layers:int8")
_SILENT = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "TQDM_DISABLE": "1"}
_UNSUPPORTED = "is not currently supported"
_LAST_LINES = 20


def build_onnx(merged: Path, folder: Path, *, precision: Literal["fp32", "int4"], cache: Path, progress: Progress) -> None:
    """Write the model of folder `merged` into `folder` for CPUs. `cache` is the builder's scratch folder.

    Raises InputError when the builder does not know the model's architecture.
    """
    options = ["--extra_options", "hf_remote=false", "hf_token=false", *(_INT4 if precision == "int4" else ())]
    arguments = ["-i", str(merged), "-o", str(folder), "-p", precision, "-e", "cpu", "-c", str(cache), *options]
    with progress.task("building ONNX") as task:
        code, lines = _run_builder(arguments, on_layer=task.advance)
    if code == 0:
        return
    unsupported = next((line for line in lines if _UNSUPPORTED in line), None)
    if unsupported is not None:
        raise InputError("onnxruntime-genai cannot build a model of this architecture", hint="export it as merged or quantized")
    raise RuntimeError(f"onnxruntime-genai's model builder ended with {code}:\n" + "\n".join(lines))


def _run_builder(arguments: Sequence[str], *, on_layer: Callable[[], None]) -> tuple[int, list[str]]:
    """Run the builder; gives its exit status and the last lines that it printed."""
    package = str(Path(adapt.__file__).parents[1])
    path = os.pathsep.join(part for part in (package, os.environ.get("PYTHONPATH", "")) if part)
    process = subprocess.Popen(
        [sys.executable, "-m", "adapt.export.builder", *arguments],
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


def genai_scorer(folder: Path) -> Scorer:
    """The model in `folder` as a Scorer: the same graph and settings that onnxruntime-genai answers with, all positions in one pass."""
    import numpy as np
    import onnxruntime_genai as genai
    import torch

    model = genai.Model(str(folder))

    def score(golden: Golden) -> torch.Tensor:
        parameters = genai.GeneratorParams(model)
        parameters.set_search_options(max_length=len(golden.ids) + 1, do_sample=False)
        generator = genai.Generator(model, parameters)
        generator.append_tokens(np.array(golden.ids, dtype=np.int32))
        return normalised(torch.from_numpy(np.array(generator.get_output("logits")))[0], golden)

    return score


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
