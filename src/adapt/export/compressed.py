"""Quantizes a merged model with llm-compressor, in an environment of its own, and runs what that made there.

Enters: the merged model in bfloat16, token ids of the adapter's own train records for calibration. Leaves: its folder in compressed-tensors form,
which vLLM and transformers read without being told anything. The two sides exchange a JSON job and safetensors (see `adapt.export.compressor`).
"""

from __future__ import annotations

import heapq
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.prompt import Prompt
from adapt.artifact.progress import Progress
from adapt.errors import InputError, WorkspaceError
from adapt.export import compressor
from adapt.export.golden import Golden, read_records
from adapt.export.logprobs import rows_file
from adapt.export.merge import copy_tokenizer, open_to_read
from adapt.export.onnx import is_out_of_memory
from adapt.export.runner import ANSWERED, CONTEXT
from adapt.records import TRAIN
from adapt.spec.export import QuantizedExport

if TYPE_CHECKING:
    from torch import Tensor

RECORDS, TOKENS = 128, 512
"""Records of calibration where the spec does not say, and tokens of each, at most."""
_QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "TQDM_DISABLE": "1"}
_LAST_LINES = 20
_PROBE = "from importlib.util import find_spec; raise SystemExit(find_spec('llmcompressor') is None)"
_HINT = "run `adapt env quantize`, or set QUANTIZE_PYTHON to the Python of an environment with llm-compressor; nf4 and int8 need neither"


def calibration(spec: QuantizedExport, dataset: Path, prompt: Prompt) -> list[list[int]]:
    """Token ids of the train records with the smallest ids, cut to what is read of each; none for a scheme that is not fitted to any.

    Raises InputError when the train split is missing or empty.
    """
    if not spec.calibrated:
        return []
    chosen = heapq.nsmallest(spec.calibration_records or RECORDS, read_records(dataset / TRAIN), key=lambda record: record.id)
    if not chosen:
        raise InputError(f"{dataset / TRAIN} has no records to calibrate on", hint="choose scheme nf4, int8 or fp8, or add data")
    return [list(prompt.encode(record).ids[:TOKENS]) for record in chosen]


def check_compressor(python: Path | None) -> None:
    """Raise InputError when `python` is not the interpreter of an environment with llm-compressor."""
    if python is None or not python.is_file():
        raise InputError("llm-compressor makes this form, and its environment is not there", hint=_HINT)
    try:
        found = subprocess.run([str(python), "-I", "-c", _PROBE], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except OSError as error:
        raise InputError(f"{python} cannot be run: {error.strerror}", hint=_HINT) from None
    if not found:
        raise InputError(f"{python} has no llm-compressor", hint=_HINT)


def compress(
    merged: Path, folder: Path, *, scheme: str, samples: Sequence[Sequence[int]], python: Path | None, work: Path, progress: Progress
) -> Mapping[str, Any]:
    """Write the model of folder `merged` into `folder`; gives the versions of the libraries and the size of groups.

    `python` is the interpreter of the environment with llm-compressor (see `check_compressor`). Raises InputError when the base does not suit the
    scheme.
    """
    job = {"task": "compress", "model": str(merged), "out": str(folder), "scheme": scheme, "samples": samples}
    with progress.task(f"compressing ({scheme})"):
        result = _run(python, job, work / "compress")
    if "problem" in result:
        raise InputError(f"scheme {scheme}: {result['problem']}", hint="choose w8a8, fp8, nf4 or int8")
    copy_tokenizer(merged, folder)
    open_to_read(folder)
    return result


class CompressedRunner:
    """A compressed model; all golden prompts are scored when it is opened, since that is another process."""

    def __init__(self, folder: Path, goldens: Sequence[Golden], *, python: Path | None, work: Path) -> None:
        job = {
            "task": "score",
            "model": str(folder),
            "out": str(work / "rows"),
            "goldens": [{"ids": golden.ids, "positions": golden.positions} for golden in goldens],
            "prompt": goldens[0].prompt_ids[-CONTEXT:],
            "tokens": ANSWERED,
        }
        (work / "rows").mkdir()
        result = _run(python, job, work / "score")
        self._rows, self._speed = work / "rows", float(result["tokens_per_second"])
        self.load_seconds = float(result["load_seconds"])

    def score(self, index: int, golden: Golden) -> Tensor:
        from safetensors.torch import load_file

        return load_file(rows_file(self._rows, index))["export"]

    def tokens_per_second(self, golden: Golden) -> float:
        return self._speed


def _run(python: Path | None, job: Mapping[str, Any], work: Path) -> dict[str, Any]:
    """Run a job and give its result."""
    work.mkdir()
    (work / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [str(python), "-I", str(Path(compressor.__file__)), str(work / "job.json")]
    done = subprocess.run(
        command, env={**os.environ, **_QUIET}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stdout.splitlines()[-_LAST_LINES:]
        if is_out_of_memory(done.returncode, lines):
            raise WorkspaceError("llm-compressor ran out of memory", hint="close other programs, or build where there is more")
        raise RuntimeError(f"llm-compressor ended with {done.returncode}:\n" + "\n".join(lines))
    result: dict[str, Any] = json.loads((work / compressor.RESULT).read_bytes())
    return result
