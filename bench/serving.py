"""Times the forms in which an adapter serves: merged, one adapter, and base and adapters mixed, in vLLM; ONNX int4; GGUF in llama.cpp.

    make serving-env && python bench/serving.py [--workspace DIR] [--quick] [--json FILE]

DIR is a workspace with built adapters, of which `finance` is exported and asked about (`--adapter` names another). Exports that it does not have are
made first. Every side gets the same prompts, questions of the test split as token ids, and answers each greedily with the same number of tokens, in
one run on as many threads; a side that read or wrote another number of tokens is left out, with an error at the end. vLLM is measured one request at
a time, as the others, and 8 at a time. In the end the stable name is shifted between two versions: from the shift of the alias to the first token of
the first answer that is the new version's. Time to the first token and swaps: median and 99th percentile.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serving_sides import Answer, Ask, free_port, in_genai, over_llama_cpp, over_vllm, running

AT_ONCE = 8
_SWAP_TOKENS = 8
_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_PLUGINS": ""}
Case = tuple[str, int]
"""A model's name and a prompt's number."""


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


def main() -> None:
    """Measure, print the table and ratios, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--adapter", default="finance")
    parser.add_argument("--quick", action="store_true", help="3 prompts of 8 tokens once, 4 swaps")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--exports", type=Path, help="folder for exports that the workspace does not have; removed afterwards when not given")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        work = plan(options, Path(folder))
        figures, refused = compare(work, options.exports or Path(folder) / "exports")
    if options.json:
        options.json.write_text(json.dumps(figures | {"refused": refused}, indent=2) + "\n", encoding="utf-8")
    if refused:
        raise SystemExit("\n".join(refused))


def plan(options: argparse.Namespace, folder: Path) -> Work:
    """Prompts from the adapter's test split, and the base."""
    from adapt.adapter.prompt import Prompt
    from adapt.artifact.progress import QuietProgress
    from adapt.base.load import load_tokenizer
    from adapt.base.pin import pin
    from adapt.base.prepare import prepare
    from adapt.export.golden import choose_goldens
    from adapt.spec.load import load_params

    root, name = options.workspace.resolve(), options.adapter
    given = os.environ.get("VLLM_PYTHON")
    python = Path(given).absolute() if given else root / ".venv-serving" / "bin" / "python"
    if not python.is_file() or not (root / "adapters" / name / "manifest.json").is_file():
        raise SystemExit(f"{root} needs a serving environment (`make serving-env`) and the adapter {name} (`adapt build`)")
    base = prepare(pin(load_params(root).base, root=root), root=root, cache=root / ".adapt" / "cache", progress=QuietProgress())
    template = (root / "adapters" / name / "chat_template.jinja").read_text(encoding="utf-8")
    count = 3 if options.quick else 8
    goldens = choose_goldens(root / "data" / "dataset" / name / "test.jsonl", Prompt(template, load_tokenizer(base)), count=count, context=2048)
    return Work(
        workspace=root,
        base=base,
        adapter=name,
        prompts=[list(golden.prompt_ids) for golden in goldens],
        tokens=8 if options.quick else 32,
        repeats=1 if options.quick else 3,
        swaps=4 if options.quick else 40,
        threads=options.threads,
        python=python,
        folder=folder,
    )


def compare(work: Work, made: Path) -> tuple[dict[str, Any], list[str]]:
    """Every side in turn: its figures by name, and why some are left out."""
    exports = {name: find_export(work, wanted, made / name) for name, wanted in WANTED.items()}
    figures: dict[str, Any] = {}
    refused: list[str] = []
    print("| side | at a time | tokens/s | first token p50, ms | p99, ms |\n| --- | ---: | ---: | ---: | ---: |")

    def measure(side: str, ask: Ask, models: Sequence[str], at_once: int = 1) -> None:
        cases = [(model, number) for model in models for number in range(len(work.prompts))] * work.repeats
        for model in models:
            ask(model, work.prompts[0], 2)  # loads what is loaded late
        started = time.perf_counter()
        with ThreadPoolExecutor(at_once) as pool:
            answers = list(pool.map(lambda case: ask(case[0], work.prompts[case[1]], work.tokens), cases))
        if other := other_work(cases, answers, work):
            refused.append(f"{side} is left out, since it did other work: {other}")
            return
        figures[side] = figures_of(answers, time.perf_counter() - started, at_once)
        shown = figures[side]
        times = f"{shown['first_p50'] * 1000:.0f} | {shown['first_p99'] * 1000:.0f}"
        print(f"| {side} | {at_once} | {shown['tokens_per_second']:.1f} | {times} |", flush=True)

    with merged_server(work, exports["merged"]) as ask:
        measure("vllm_merged", ask, ["merged"])
        measure("vllm_merged_8", ask, ["merged"], AT_ONCE)
    with adapters_server(work) as (ask, names, swap):
        measure("vllm_one_adapter", ask, [work.adapter])
        measure("vllm_one_adapter_8", ask, [work.adapter], AT_ONCE)
        measure("vllm_mixed", ask, names)
        measure("vllm_mixed_8", ask, names, AT_ONCE)
        figures["swaps"] = swaps_of(work, ask, swap)
    measure("onnx_int4", in_genai(exports["onnx"], work.threads), [work.adapter])
    measure("gguf_q4_0", over_llama_cpp(llama_cpp(exports["gguf"] / "model.gguf", work.threads)), [work.adapter])
    print(f"\nswap, seconds: p50 {figures['swaps']['p50']:.3f}, p99 {figures['swaps']['p99']:.3f}, of {work.swaps}")
    ours = figures["vllm_merged"]["tokens_per_second"]
    for side, found in figures.items():
        if side not in ("vllm_merged", "swaps"):
            print(f"ratio {side}_to_merged {found['tokens_per_second'] / ours:.2f}")
    return figures, refused


def other_work(cases: Sequence[Case], answers: Sequence[Answer], work: Work) -> str:
    """How the answers are not of the prompts' lengths and the tokens that were asked for; empty when they are."""
    for (model, number), answer in zip(cases, answers, strict=True):
        wanted = (len(work.prompts[number]), work.tokens)
        if (answer.prompt_tokens, answer.tokens) != wanted:
            return f"{model} read and wrote {answer.prompt_tokens} and {answer.tokens} tokens of prompt {number}, and {wanted} were asked for"
    return ""


def figures_of(answers: Sequence[Answer], seconds: float, at_once: int) -> dict[str, float]:
    """Tokens a second over all, and times to the first token."""
    first = [answer.first_seconds for answer in answers]
    return {
        "tokens_per_second": sum(answer.tokens for answer in answers) / seconds,
        "first_p50": statistics.median(first),
        "first_p99": percentile_99(first),
        "at_once": at_once,
        "requests": len(answers),
    }


def percentile_99(values: Sequence[float]) -> float:
    """The nearest-rank 99th percentile."""
    return sorted(values)[-(-99 * len(values) // 100) - 1]


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

        serving = read_section(work)
        section = ExportSection(code="0" * 64, libraries={}, base=serving.base, export=TypeAdapter(ExportSpec).validate_python(wanted))
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
            (gates / folder.name / "passed.json").write_text(json.dumps({"adapter": digest_folder(folder), "passed": True}), encoding="utf-8")
        inputs = ServingInputs(gates=gates, adapters=adapters, base=str(work.base), base_folder=work.base)
        reports.append(render(section, inputs=inputs, out=work.folder / version, progress=QuietProgress()))
        if not any(offer.name == work.adapter for offer in reports[-1].served):
            raise SystemExit(f"{work.adapter} is not served: {reports[-1].left_out.get(work.adapter)}")
    return reports


def swaps_of(work: Work, ask: Ask, swap: tuple[Any, tuple[str, str]]) -> dict[str, float]:
    """Seconds from the shift of the alias to the first token of the new version's first answer. Fails when the versions cannot be told apart."""
    live, versions = swap
    prompt = next((ids for ids in work.prompts if len({ask(version, ids, _SWAP_TOKENS).text for version in versions}) == len(versions)), None)
    if prompt is None:
        raise SystemExit("the two versions answer every prompt alike, so no swap would be seen")
    expected = {version: ask(version, prompt, _SWAP_TOKENS).text for version in versions}
    times, late = [], 0
    for number in range(work.swaps):
        version = versions[(number + 1) % 2]
        shifted = time.perf_counter()
        live.shift(work.adapter, {version: 1.0}, action="deploy")
        while True:
            asked = time.perf_counter()
            answer = ask(work.adapter, prompt, _SWAP_TOKENS)
            if answer.text == expected[version]:
                break
            late += 1
        times.append(asked - shifted + answer.first_seconds)
    return {"p50": statistics.median(times), "p99": percentile_99(times), "late_answers": late, "swaps": len(times)}


if __name__ == "__main__":
    main()
