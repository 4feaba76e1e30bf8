"""For each adapter and each engine: does it serve the adapter, in which form, and if not, why. Said when the configuration is built.

Enters: the adapters as the serving stage sees them. Leaves: one verdict per adapter and engine. Those about vLLM rest on its own rules, read and run
(`adapt.serving.checks`); `rehearse` runs them once more in the serving environment, where it is there, with vLLM's own parser, checks and loader.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import StageError
from adapt.serving.candidate import Candidate
from adapt.serving.checks import common_reason_against
from adapt.spec.methods import METHODS

ONNX_FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2", "gemma3_text", "granite", "smollm3", "olmo")
"""Model types that the onnxruntime-genai builder exports for text."""
GGUF_FAMILIES = ("llama", "qwen2", "qwen3")
"""Model types that the gguf export writes."""
ENGINES = ("vllm", "transformers", "onnxruntime", "llama.cpp")
_SECONDS = 300


@dataclass(frozen=True)
class Verdict:
    """Whether one engine serves one adapter."""

    engine: str
    servable: bool
    form: str
    """What the engine is given: the adapter, or an export with it merged in; empty where it serves neither."""
    why: str
    """The reason, where it does not serve it; what to do, where an export is needed."""


def verdicts(candidate: Candidate, reason: str | None) -> Iterator[Verdict]:
    """One verdict per engine. `reason` is what the checks of the serving stage say against the adapter in vLLM, or None."""
    if (common := common_reason_against(candidate)) is not None:
        yield from (Verdict(engine, False, "", common) for engine in ENGINES)
        return
    method = METHODS.get(candidate.method or "")
    mergeable = method is None or method.mergeable
    yield _vllm(reason, mergeable)
    yield Verdict("transformers", True, "adapter", f"{method.transformers if method is not None else 'peft'} loads it")
    yield _merged("onnxruntime", candidate, mergeable, ONNX_FAMILIES, "onnx")
    yield _merged("llama.cpp", candidate, mergeable, GGUF_FAMILIES, "gguf")


def rehearse(configuration: Path, *, python: Path) -> dict[str, str | None]:
    """By version why vLLM itself refuses it, None when it takes it; under `serve.yaml` the same of the options. Raises StageError without vLLM."""
    environment = os.environ | {"PYTHONPATH": str(configuration / "plugin"), "VLLM_PLUGINS": "", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    command = [str(python), "-m", "adapt_serving.rehearsal"]
    try:
        done = subprocess.run(command, cwd=configuration, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise StageError(f"vLLM did not answer within {_SECONDS} seconds", hint="try again when the machine is less busy") from None
    try:
        found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise StageError(
            f"vLLM could not be asked: {done.stderr.strip()[-300:]}", hint="make the environment anew with `adapt env serving`"
        ) from None
    return found


def _vllm(reason: str | None, mergeable: bool) -> Verdict:
    if reason is None:
        return Verdict("vllm", True, "adapter", "")
    way = "; export: {merged: {format: merged}} gives a model of its own" if mergeable and "export it with format merged" not in reason else ""
    return Verdict("vllm", False, "", f"{reason}{way}")


def _merged(engine: str, candidate: Candidate, mergeable: bool, families: tuple[str, ...], form: str) -> Verdict:
    if not mergeable:
        return Verdict(engine, False, "", f"{candidate.method} cannot be merged into the base, which {engine} would need")
    weights = candidate.server.weights
    family = weights.family if weights is not None else None
    if family is not None and family not in families:
        return Verdict(engine, False, "", f"the base is a {family} model; {engine} is given {', '.join(families)}")
    note = f"export it with format {form}" + ("" if family is not None else "; the base's files are not at hand, so its family is not checked")
    return Verdict(engine, True, form, note)


def as_plain(found: Iterator[Verdict]) -> dict[str, Any]:
    """Verdicts as verdicts.json holds them, by engine."""
    return {verdict.engine: {"servable": verdict.servable, "form": verdict.form, "why": verdict.why} for verdict in found}
