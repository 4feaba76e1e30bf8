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
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from serving_sides import Answer, Ask, in_genai, over_llama_cpp
from serving_workspace import WANTED, Work, adapters_server, find_export, llama_cpp, merged_server

AT_ONCE = 8
_SWAP_TOKENS = 8
Case = tuple[str, int]
"""A model's name and a prompt's number."""


def main() -> None:
    """Measure, print the table and ratios, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workspace", type=Path, default=Path())
    parser.add_argument("--adapter", default="finance")
    parser.add_argument("--quick", action="store_true", help="4 prompts of 8 tokens once, 4 swaps")
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
    from adapt.errors import InputError
    from adapt.export.golden import choose_goldens
    from adapt.export.llama_cpp import load_binding
    from adapt.spec.load import load_params

    root, name = options.workspace.resolve(), options.adapter
    given = os.environ.get("VLLM_PYTHON")
    python = Path(given).absolute() if given else root / ".venv-serving" / "bin" / "python"
    if not python.is_file() or not (root / "adapters" / name / "manifest.json").is_file():
        raise SystemExit(f"{root} needs a serving environment (`make serving-env`) and the adapter {name} (`adapt build`)")
    try:
        load_binding()
    except InputError as error:
        raise SystemExit(str(error)) from None
    base = prepare(pin(load_params(root).base, root=root), root=root, cache=root / ".adapt" / "cache", progress=QuietProgress())
    template = (root / "adapters" / name / "chat_template.jinja").read_text(encoding="utf-8")
    count = 4 if options.quick else 8
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
        turns = range(work.repeats * len(work.prompts))
        cases = [(models[(turn + turn // len(work.prompts)) % len(models)], turn % len(work.prompts)) for turn in turns]
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


def swaps_of(work: Work, ask: Ask, swap: tuple[Any, tuple[str, str]]) -> dict[str, float]:
    """Seconds from the shift of the alias to the first token of the new version's first answer. Fails when the versions cannot be told apart."""
    from adapt.serving.journal import NameState

    live, versions = swap
    prompt = next((ids for ids in work.prompts if len({ask(version, ids, _SWAP_TOKENS).text for version in versions}) == len(versions)), None)
    if prompt is None:
        raise SystemExit("the two versions answer every prompt alike, so no swap would be seen")
    expected = {version: ask(version, prompt, _SWAP_TOKENS).text for version in versions}
    times, late = [], 0
    for number in range(work.swaps):
        version = versions[(number + 1) % 2]
        shifted = time.perf_counter()
        live.journal.change(work.adapter, partial(NameState.start, version=version), action="bench")
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
