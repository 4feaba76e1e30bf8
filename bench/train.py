"""Times supervised fine-tuning of the bundled model, side by side with TRL's SFTTrainer and LLaMA-Factory on the same records.

    make bench-env && python bench/train.py --data DIR [--quick] [--sets huatuo] [--json FILE]

DIR has GSM8K and Huatuo as `../shared/data` does. Every side trains LoRA of one rank on every linear layer of one base, on the same
records and about as many tokens a step, over the same epochs, with one schedule, in a process of its own; the loss is taken on answers alone.
Measured: real tokens for each CPU second (user and system) and each second of the training, and peak memory. Ours counts what the others do not:
loading, rendering and tokenising, and writing the adapter. Then this program measures the loss of every side's adapter on the same held-out
records, and leaves out, with an error at the end, a side whose tokens, trained weights or steps differ, or whose loss does by more than 2%. Sides
take turns; figures are medians. The share of the matrix rate holds the products that training needs against a large square product on as many
threads. All of it is in bfloat16 where the CPU has instructions for that, else in float32.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers"
SETS = ("gsm8k", "huatuo")
SIDES = {
    "trl_packing": ("trl", "train_trl.py", True),
    "trl_default": ("trl", "train_trl.py", False),
    "llamafactory_packing": ("llamafactory", "train_llamafactory.py", True),
}
SETTINGS = {"r": 16, "alpha": 32, "epochs": 1, "learning_rate": 2e-4, "batch_tokens": 2048, "seed": 1}
HELD_OUT = 12
LOSS_WITHIN, TOKENS_WITHIN, STEPS_WITHIN = 0.02, 0.01, 0.25


class Cost(NamedTuple):
    """What one training cost and gave."""

    tokens: float
    steps: int
    cpu: float
    wall: float
    peak_mib: int
    trained: int
    loss: float


def main() -> None:
    """Measure, print tables and ratios, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder with gsm8k/ and huatuo/")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, help="the sets that are run")
    parser.add_argument("--peers", type=Path, default=PEERS, help="folder with an environment for each peer")
    parser.add_argument("--quick", action="store_true", help="48 records of each set, one turn")
    parser.add_argument("--records", type=int, help="records of each set that are trained on; 240 unless --quick")
    parser.add_argument("--repeats", type=int, help="turns; 3 unless --quick")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cache", type=Path, default=Path(".adapt/cache"), help="where the converted base is kept")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--job", nargs=2, metavar=("PART", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        part, file = options.job
        {"prepare": prepare, "train": train_ours, "score": score, "rate": measure_rate}[part](json.loads(Path(file).read_text(encoding="utf-8")))
        return
    if options.data is None:
        parser.error("--data is required")
    options.records = options.records or (48 if options.quick else 240)
    options.repeats = options.repeats or (1 if options.quick else 3)
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        figures = compare(Path(folder), options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if figures["refused"]:
        raise SystemExit("\n".join(figures["refused"]))


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every side on every set."""
    sides = {name: side for name, side in SIDES.items() if (options.peers / side[0]).is_dir()}
    if not sides:
        raise SystemExit(f"no peer's environment is in {options.peers}: run make bench-env")
    figures: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    refused: list[str] = []
    print("| set | side | tokens | steps | tokens/CPU s | tokens/s | peak MiB | held-out loss |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in options.sets:
        job = _run(
            options, "prepare", folder / name, {"data": str(options.data), "set": name, "records": options.records, "cache": str(options.cache)}
        )
        job |= SETTINGS | {"threads": options.threads}
        costs = _take_turns(job, folder / name, sides, options)
        middle = {side: Cost(*(statistics.median(values) for values in zip(*found, strict=True))) for side, found in costs.items()}
        for side, cost in middle.items():
            speeds = f"{cost.tokens / cost.cpu:.1f} | {cost.tokens / cost.wall:.1f}"
            print(f"| {name} | {side} | {cost.tokens:.0f} | {cost.steps:.0f} | {speeds} | {cost.peak_mib:.0f} | {cost.loss:.4f} |", flush=True)
        share = _share_of_rate(middle["ours"], job, folder / name, options)
        figures[name] = {side: cost._asdict() for side, cost in middle.items()} | {"share_of_matrix_rate": share, "dtype": job["dtype"]}
        ours = middle.pop("ours")
        for side, cost in middle.items():
            if other := _other_work(cost, ours):
                refused.append(f"{name}: {side} is not compared, since it did other work than ours: {', '.join(other)}")
                continue
            ratios[f"{side}_{name}"] = (cost.cpu / cost.tokens) / (ours.cpu / ours.tokens)
            ratios[f"{side}_memory_{name}"] = cost.peak_mib / ours.peak_mib
        print(f"share of the measured {job['dtype']} matrix rate, {name}: {share:.2f}", flush=True)
    for ratio, value in ratios.items():
        print(f"ratio {ratio} {value:.2f}")
    return figures | {"ratios": ratios, "refused": refused}


def _take_turns(job: dict[str, Any], folder: Path, sides: dict[str, tuple[str, str, bool]], options: argparse.Namespace) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {}
    for turn in range(options.repeats):
        for side in ("ours", *sides):
            out = folder / f"{side}-{turn}"
            if side == "ours":
                found = _run(options, "train", out, job)
            else:
                peer, script, packing = sides[side]
                found = _call([options.peers / peer / "bin" / "python", HERE / "peers" / script], out, {**job, "packing": packing}, options)
            loss = _run(options, "score", folder / f"score-{side}-{turn}", {**job, "adapter": str(out / "out")})["loss"]
            costs.setdefault(side, []).append(Cost(**found, loss=loss))
    return costs


def _run(options: argparse.Namespace, part: str, folder: Path, job: dict[str, Any]) -> dict[str, Any]:
    """A part of this program in a process of its own."""
    return _call([Path(sys.executable), Path(__file__), "--job", part], folder, job, options)


def _call(command: list[Any], folder: Path, job: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """What the command says in its last line."""
    folder.mkdir(parents=True)
    file = folder / "job.json"
    file.write_text(json.dumps({**job, "out": str(folder / "out")}), encoding="utf-8")
    environment = os.environ | {
        "OMP_NUM_THREADS": str(options.threads),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run([*map(str, command), str(file)], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{command[-1]} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _other_work(cost: Cost, ours: Cost) -> list[str]:
    """Where a side did other work than ours."""
    bounds = (("tokens", TOKENS_WITHIN), ("steps", STEPS_WITHIN), ("trained", 0.0), ("loss", LOSS_WITHIN))
    pairs = [(what, getattr(cost, what), getattr(ours, what), within) for what, within in bounds]
    return [f"{what} {found:g} against {wanted:g}" for what, found, wanted, within in pairs if abs(found - wanted) > within * wanted]


def _share_of_rate(cost: Cost, job: dict[str, Any], folder: Path, options: argparse.Namespace) -> float:
    """Share of a CPU second's matrix products that training needs: forward, and backward for the inputs of frozen layers and all of the adapter."""
    rate = _run(options, "rate", folder / "rate", job)["flops"]
    return job["flops"] * SETTINGS["epochs"] / cost.cpu / rate


# What follows runs in a process of its own, in the project's environment.


def prepare(job: dict[str, Any]) -> None:
    """The job that every side shares: the base, records as text and as token ids, and products that a training on them needs."""
    from adapt.adapter.prompt import Prompt, effective_template
    from adapt.artifact.digest import digest_text
    from adapt.artifact.progress import QuietProgress
    from adapt.base.load import load_tokenizer
    from adapt.base.numerics import native_dtype
    from adapt.base.pin import pin
    from adapt.base.prepare import prepare as prepare_base
    from adapt.records import AlpacaRecord
    from adapt.spec.base import BundledBase
    from adapt.spec.prompt import PinnedPrompt

    base = prepare_base(pin(BundledBase(), root=Path()), root=Path(), cache=Path(job["cache"]), progress=QuietProgress()).resolve()
    tokenizer = load_tokenizer(base)
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), tokenizer), tokenizer)
    chosen, examples = [], []
    for row in _rows(Path(job["data"]), job["set"]):
        record = AlpacaRecord(id=digest_text(row["instruction"], row["output"]), language="en", source=job["set"], locator="", document="", **row)
        example = prompt.encode(record)
        if example.length <= SETTINGS["batch_tokens"] // 2:
            chosen.append(row)
            examples.append({"ids": list(example.ids), "prompt": example.prompt_length})
        if len(chosen) == job["records"] + HELD_OUT:
            break
    end = job["records"]
    warmup = round(0.05 * sum(len(each["ids"]) for each in examples[:end]) / SETTINGS["batch_tokens"])
    flops = sum(_flops(each, base) for each in examples[:end])
    parts = {"records": chosen[:end], "held_out": chosen[end:], "examples": examples[:end], "held_out_examples": examples[end:]}
    print(json.dumps({"base": str(base), "dtype": native_dtype("cpu"), "flops": flops, "warmup_steps": warmup, **parts}))


def _rows(data: Path, name: str) -> list[dict[str, str]]:
    path = data / name / {"gsm8k": "train.jsonl", "huatuo": "llama_data.json"}[name]
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    question, answer = ("question", "answer") if name == "gsm8k" else ("instruction", "output")
    return [{"instruction": row[question], "input": row.get("input") or "", "output": row[answer]} for row in found]


def _flops(example: dict[str, Any], base: Path) -> float:
    """Products of one example, twice their multiplications: frozen weights take part twice, the adapter's three times, the head at answers alone."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    hidden, inner, layers, head = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"], config["hidden_size"]
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    narrow = hidden * groups // heads
    shapes = [(hidden, hidden), (hidden, narrow), (hidden, narrow), (hidden, hidden), (hidden, inner), (hidden, inner), (inner, hidden)]
    frozen = layers * sum(rows * columns for rows, columns in shapes)
    adapter = layers * sum(SETTINGS["r"] * (rows + columns) for rows, columns in shapes)
    tokens, answers = len(example["ids"]), len(example["ids"]) - example["prompt"]
    attention = layers * 2 * 3 * 2 * tokens * tokens / 2 * hidden  # two products, forward and twice backward, half of them behind the mask
    return tokens * (2 * 2 * frozen + 2 * 3 * adapter) + attention + answers * 2 * 2 * head * config["vocab_size"]


def train_ours(job: dict[str, Any]) -> None:
    """The stage as a build runs it."""
    import torch

    from adapt.adapter.train import train
    from adapt.artifact.digest import digest_text
    from adapt.artifact.lines import write_lines
    from adapt.artifact.progress import QuietProgress
    from adapt.artifact.staging import staged
    from adapt.records import AlpacaRecord
    from adapt.spec.base import BundledBase, PinnedBase
    from adapt.spec.lora import LoraSpec
    from adapt.spec.prompt import PinnedPrompt
    from adapt.spec.resolved.stage import StageSection
    from adapt.spec.resolved.train import TrainSection

    torch.set_num_threads(job["threads"])
    out = Path(job["out"])
    rows = [
        AlpacaRecord(id=digest_text(row["instruction"], row["output"]), language="en", source="s", locator="", document="", **row)
        for row in job["records"]
    ]
    with staged(out.with_name("dataset"), section=StageSection(code="0" * 64, libraries={}), inputs={}) as staging:
        write_lines(staging / "train.jsonl", rows)
        write_lines(staging / "validation.jsonl", [])
    settings = {name: job[name] for name in ("epochs", "learning_rate", "batch_tokens", "dtype")}
    section = TrainSection(
        code="0" * 64,
        libraries={},
        base=PinnedBase(source=BundledBase(), digest="0" * 64),
        prompt=PinnedPrompt(kind="model"),
        lora=LoraSpec(r=job["r"], lora_alpha=job["alpha"]),
        train={"method": "lora", "device": "cpu", "patience": None, "checkpoint_every_steps": 1000, "warmup_ratio": 0.05, **settings},
        seed=job["seed"],
    )
    before, started = time.process_time(), time.perf_counter()
    work, curves = out.with_name("work"), out.with_name("curves")
    report = train(section, inputs=out.with_name("dataset"), base=Path(job["base"]), out=out, curves=curves, work=work, progress=QuietProgress())
    cpu, wall = time.process_time() - before, time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        json.dumps(
            {"tokens": report.tokens, "steps": report.steps, "cpu": cpu, "wall": wall, "peak_mib": peak, "trained": report.trainable_parameters}
        )
    )


def score(job: dict[str, Any]) -> None:
    """The held-out loss of an adapter folder, whoever wrote it."""
    from array import array

    from peft import PeftModel

    from adapt.adapter.prompt import Example
    from adapt.adapter.scoring import mean_loss, response_logprobs
    from adapt.base.load import load_model

    model = PeftModel.from_pretrained(load_model(Path(job["base"]), dtype=job["dtype"], device="cpu"), job["adapter"])
    examples = [Example(array("i", each["ids"]), each["prompt"], "") for each in job["held_out_examples"]]
    print(json.dumps({"loss": mean_loss(response_logprobs(model.eval(), examples, batch_tokens=2048))}))


def measure_rate(job: dict[str, Any]) -> None:
    """Operations of a large square product for each CPU second."""
    import torch

    torch.set_num_threads(job["threads"])
    a = torch.randn(2048, 2048, dtype=getattr(torch, job["dtype"]))
    multiply: Callable[[], Any] = lambda: torch.nn.functional.linear(a, a)  # noqa: E731
    multiply()
    best = float("inf")
    for _ in range(8):
        before = time.process_time()
        for _ in range(3):
            multiply()
        best = min(best, (time.process_time() - before) / 3)
    print(json.dumps({"flops": 2 * 2048**3 / best}))


if __name__ == "__main__":
    main()
