"""What bench/serving.py measures: a workspace's exports and adapters, and the servers that are started of them.

Enters: a workspace with built adapters. Leaves: running servers, with a second version of one adapter for swaps. The workspace is only read.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serving_sides import Ask, free_port, over_vllm, running

_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_PLUGINS": ""}


@dataclass(frozen=True)
class Work:
    """What every side does, and where."""

    workspace: Path
    base: Path
    adapter: str
    prompts: list[list[int]]
    tokens: int
    repeats: int
    swaps: int
    threads: int
    python: Path
    """Interpreter of the serving environment."""
    folder: Path


WANTED: dict[str, dict[str, str]] = {
    "merged": {"format": "merged", "dtype": "bfloat16"},
    "onnx": {"format": "onnx", "precision": "int4"},
    "gguf": {"format": "gguf", "type": "q4_0"},
}
"""The exports that are measured, by what their export.json says."""


def find_export(work: Work, wanted: dict[str, str], made: Path) -> Path:
    """The workspace's own export of this form, or one that is made now."""
    for path in sorted((work.workspace / "exports" / work.adapter).glob("*/export.json")):
        if wanted.items() <= json.loads(path.read_bytes()).items():
            return path.parent
    if not (made / "export.json").is_file():
        from pydantic import TypeAdapter

        from adapt.artifact.progress import QuietProgress
        from adapt.export.export import export
        from adapt.export.forms import ExportInputs
        from adapt.spec.export import ExportSpec
        from adapt.spec.resolved.export import ExportSection

        spec = TypeAdapter(ExportSpec).validate_python(wanted | ({"checked_by": "llama.cpp"} if wanted["format"] == "gguf" else {}))
        section = ExportSection(code="0" * 64, libraries={}, base=read_section(work).base, export=spec)
        inputs = ExportInputs(work.workspace / "adapters" / work.adapter, work.workspace / "data" / "dataset" / work.adapter, work.base)
        print(f"making {wanted['format']}", file=sys.stderr)
        export(section, inputs=inputs, out=made, progress=QuietProgress())
    return made


def llama_cpp(model: Path, threads: int) -> str:
    """llama.cpp's server with a GGUF file; its address. It ends with this process."""
    from adapt.export.llama_cpp import LlamaCpp

    engine = LlamaCpp(model, threads=threads, gives_states=False)
    _ENGINES.append(engine)
    return engine.address


_ENGINES: list[Any] = []
"""Servers in this process, kept from being collected."""


@contextmanager
def merged_server(work: Work, model: Path) -> Iterator[Ask]:
    """vLLM with the merged model alone, with the options of the adapters' server."""
    server, port = read_section(work).server, free_port()
    command = [str(work.python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", "merged"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", server.dtype, "--max-num-seqs", str(server.max_num_seqs)]
    command += ["--max-model-len", str(server.max_model_len), "--enforce-eager"]
    cache = {"VLLM_CPU_KVCACHE_SPACE": str(server.cpu_kv_cache_gib)}
    with running(command, port=port, log=work.folder / "merged.log", **_QUIET, **cache) as url:
        yield over_vllm(url, {})


def read_section(work: Work) -> Any:
    """The serving stage's section of the workspace."""
    from adapt.spec.resolved.serving import ServingSection

    path = work.workspace / "build" / "resolved" / "_serving.yaml"
    return ServingSection.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))["serving"])


@contextmanager
def adapters_server(work: Work) -> Iterator[tuple[Ask, list[str], tuple[Any, tuple[str, str]]]]:
    """The server of `adapt serve` with the workspace's adapters; what is served, and the live folder with two versions of the adapter."""
    from adapt.serving.deploy import Release
    from adapt.serving.keys import Keys
    from adapt.serving.live import Live
    from adapt.serving.start import prepare

    rendered = render_two(work)
    first, second = rendered
    live, keys = Live(work.folder / "live", work.folder / "first"), Keys(work.folder / "keys")
    prepare(live, keys, [Release(offer.name, work.folder / "first" / offer.path, ()) for offer in first.served], say=lambda _: None)
    (before,) = (offer.served_name for offer in first.served if offer.name == work.adapter)
    (after,) = (offer for offer in second.served if offer.name == work.adapter)
    live.publish(work.folder / "second" / after.path, key=keys.signing, golden=())
    port = free_port()
    command = [str(work.folder / "first" / "start.sh"), "--port", str(port)]
    with running(command, port=port, log=work.folder / "server.log", VLLM_PYTHON=str(work.python), ADAPT_LIVE=str(live.folder)) as url:
        ask = over_vllm(url, {"Authorization": f"Bearer {keys.token}"})
        yield ask, ["base", *(offer.name for offer in first.served)], (live, (before, after.served_name))


def render_two(work: Work) -> list[Any]:
    """The configuration as it is, and one in which the adapter has half its strength."""
    from adapt.artifact.digest import digest_folder
    from adapt.artifact.progress import QuietProgress
    from adapt.artifact.staging import staged
    from adapt.serving.render import ServingInputs, render
    from adapt.spec.resolved.stage import StageSection

    section, adapters, gates = read_section(work), work.folder / "adapters", work.folder / "gates"
    shutil.copytree(work.workspace / "adapters", adapters, ignore=shutil.ignore_patterns(".*"))
    reports = []
    for version in ("first", "second"):
        if version == "second":
            aside = work.folder / "aside"
            (adapters / work.adapter).rename(aside)
            with staged(adapters / work.adapter, section=StageSection(code="0" * 64, libraries={}), inputs={}) as folder:
                shutil.copytree(aside, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
                config = json.loads((folder / "adapter_config.json").read_bytes())
                (folder / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": config["lora_alpha"] / 2}), encoding="utf-8")
        for folder in adapters.iterdir():
            (gates / folder.name).mkdir(parents=True, exist_ok=True)
            numbers = {"finite": True, "largest": 1_000.0}  # as an evaluation would say
            verdict = {"adapter": digest_folder(folder), "passed": True, "numbers": numbers}
            (gates / folder.name / "passed.json").write_text(json.dumps(verdict), encoding="utf-8")
        inputs = ServingInputs(gates=gates, adapters=adapters, base=str(work.base), base_folder=work.base)
        reports.append(render(section, inputs=inputs, out=work.folder / version, progress=QuietProgress()))
        if not any(offer.name == work.adapter for offer in reports[-1].served):
            raise SystemExit(f"{work.adapter} is not served: {reports[-1].left_out.get(work.adapter)}")
    return reports
