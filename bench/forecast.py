"""Holds forecasts of peak memory and of time against what was measured, each in a fresh process on the CPU.

The settings differ in what memory depends on: tokens in a pass, rank, number format, gradient checkpointing, method. A training has two optimiser
steps, since the peak is reached in the first or when the optimiser has its state. Prints forecast, measurement and error of each, and the ratio of
the two; the bound is 15%.

    python bench/forecast.py [--quick] [--bundled FOLDER] [--only TEXT] [--json FILE]
    python bench/forecast.py --times [--bundled FOLDER] [--records N] [--json FILE]

With `--times`, training, evaluation and a merged export of N records are forecast from a calibration alone and then run, on
three machines' worth of settings: this CPU as it is, held to AVX2, and with one thread. Prints measured seconds over forecast ones.

`--quick` measures on the tiny and the small model, made on the spot; `--bundled` adds the model in a folder, such as .adapt/cache/base/<digest>.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

MIB = 1 << 20
BOUND = 0.15
LOOSE = {"min_top1_agreement": 0, "max_mean_kl": 99, "max_worst_kl": 999, "max_effect_error": 99, "max_perplexity_increase": 99}
"""An adapter of a few steps says nothing that an export could miss."""
WORDS = ("bond", "pays", "interest", "to", "a", "company", "and", "returns", "its", "money", "at", "the", "end", "of", "each", "year")
TINY = [{}, {"method": "full"}, {"dtype": "bfloat16", "batch_tokens": 2048}]
SMALL = [
    {"dtype": "float32", "batch_tokens": 512},
    {"dtype": "float32", "batch_tokens": 2048},
    {"dtype": "bfloat16", "batch_tokens": 2048},
    {"dtype": "bfloat16", "batch_tokens": 2048, "r": 64},
    {"dtype": "bfloat16", "batch_tokens": 4096, "gradient_checkpointing": True},
    {"dtype": "float32", "batch_tokens": 2048, "method": "full"},
    {"dtype": "bfloat16", "batch_tokens": 2048, "method": "full"},
    {"dtype": "bfloat16", "batch_tokens": 2048, "method": "dora"},
    {"dtype": "bfloat16", "batch_tokens": 2048, "method": "freeze"},
    {"dtype": "bfloat16", "batch_tokens": 2048, "method": "pfeiffer"},
]
BUNDLED = [
    {"dtype": "bfloat16", "batch_tokens": 512},
    {"dtype": "bfloat16", "batch_tokens": 2048},
    {"dtype": "bfloat16", "batch_tokens": 2048, "r": 64},
    {"dtype": "bfloat16", "batch_tokens": 2048, "gradient_checkpointing": True},
    {"dtype": "float32", "batch_tokens": 512},
    {"dtype": "float32", "batch_tokens": 2048},
    {"dtype": "bfloat16", "batch_tokens": 512, "method": "full"},
]


def main() -> None:
    """Measure, print the table and write the figures to a file when asked. Exits with 1 when a forecast is out of bounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="leave out the settings of --bundled, and half of the others")
    parser.add_argument("--bundled", type=Path, help="folder of a prepared base model")
    parser.add_argument("--only", default="", help="measure only settings whose text has this in it")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--times", action="store_true", help="forecast time, not memory")
    parser.add_argument("--records", type=int, default=120, help="training records of --times")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--time", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        time_once(json.loads(options.time))
        return
    if options.times:
        figures = compare_times(options)
        if options.json:
            options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return
    if options.train:
        train_once(json.loads(options.train))
        return
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        figures = [compare(case, Path(folder)) for case in cases(options, Path(folder)) if options.only in json.dumps(case)]
    worst = max(abs(figure["error"]) for figure in figures)
    print(f"ratio worst_error {worst:.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    sys.exit(worst > BOUND)


def cases(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """What is measured: a base and settings of section `train`, with `r` of section `lora`."""
    tiny, small = make_base(folder / "tiny"), make_base(folder / "small", hidden=384, layers=12, feed_forward=1024, vocabulary=16384)
    step = 2 if options.quick else 1
    found = [{"base": str(base), **case} for base, settings in ((tiny, TINY), (small, SMALL)) for case in settings[::step]]
    if options.bundled and not options.quick:
        found += [{"base": str(options.bundled.resolve()), **case} for case in BUNDLED]
    return found


def make_base(folder: Path, *, hidden: int = 64, layers: int = 2, feed_forward: int = 128, vocabulary: int = 512) -> Path:
    """A model in the manner of Llama with random weights in bfloat16, and the tests' tokenizer; made in a process of its own."""
    program = (
        "import sys, torch; from pathlib import Path; from tests.tiny import tiny_base; from transformers import AutoConfig, AutoModelForCausalLM\n"
        f"folder = tiny_base(Path({str(folder)!r})); config = AutoConfig.from_pretrained(folder); torch.manual_seed(0)\n"
        f"for name, value in dict(hidden_size={hidden}, num_hidden_layers={layers}, intermediate_size={feed_forward}, vocab_size={vocabulary},\n"
        f"    num_attention_heads={max(4, hidden // 64)}, num_key_value_heads=2, max_position_embeddings=4096, head_dim=64).items():\n"
        "    setattr(config, name, value)\n"
        "AutoModelForCausalLM.from_config(config, dtype=torch.float32).to(torch.bfloat16).save_pretrained(folder)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[1], check=True, capture_output=True)
    return folder


def compare(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train in a fresh process, and forecast the same."""
    from adapt.advice.memory import forecast_memory
    from adapt.advice.shape import read_shape
    from adapt.advice.workload import measured

    root = Path(tempfile.mkdtemp(dir=folder))
    given = {**case, "root": str(root)}
    done = subprocess.run([sys.executable, __file__, "--train", json.dumps(given)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case}: {done.stderr}")
    peak = json.loads(done.stdout.splitlines()[-1])["peak_mib"]
    section = section_of(given)
    workload = measured(section, dataset=root / "dataset", base=Path(case["base"]), device="cpu")
    memory = forecast_memory(read_shape(Path(case["base"])), section.train, section.lora, workload, device="cpu")
    error = memory.peak_mib / peak - 1
    shown = ", ".join(f"{name} {value}" for name, value in case.items() if name != "base")
    parts = ", ".join(f"{name} {value / MIB:.0f}" for name, value in vars(memory).items() if value >= MIB)
    print(f"{Path(case['base']).name[:8]:<8} {peak:>6} MiB measured {memory.peak_mib:>6} forecast {error:>+7.1%}  {shown}  [{parts}]", flush=True)
    return {**case, "measured_mib": peak, "forecast_mib": memory.peak_mib, "error": error, "parts_mib": {k: v / MIB for k, v in vars(memory).items()}}


def section_of(case: dict[str, Any]) -> Any:
    """The train section of a case."""
    from adapt.base.pin import pin
    from adapt.spec.base import PathBase
    from adapt.spec.lora import LoraSpec
    from adapt.spec.methods import METHODS
    from adapt.spec.prompt import PinnedPrompt
    from adapt.spec.resolved.train import TrainSection

    train = {"method": "lora", "epochs": 1, "device": "cpu", "dtype": "float32", "checkpoint_every_steps": 1000} | case
    rank = {"r": train.pop("r", 8)} if "r" in METHODS[train["method"]].reads else {}
    base = pin(PathBase(kind="path", path=train.pop("base")), root=Path("/"))
    train.pop("root")
    return TrainSection(code="0" * 64, libraries={}, base=base, prompt=PinnedPrompt(kind="model"), lora=LoraSpec(**rank), train=train, seed=1)


def train_once(case: dict[str, Any]) -> None:
    """Train on made-up records in this process and print its peak resident memory."""
    from adapt.adapter.train import train
    from adapt.artifact.progress import QuietProgress

    root, section = Path(case["root"]), section_of(case)
    write_records(root / "dataset", tokens=2 * section.train.batch_tokens)
    paths = {name: root / name for name in ("out", "curves", "work")}
    train(section, inputs=root / "dataset", base=Path(case["base"]), progress=QuietProgress(), **paths)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"peak_mib": peak // 1024 if sys.platform == "linux" else peak // MIB}))


MACHINES = {
    "as it is": {},
    "held to AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""Environment variables that make one machine several."""


def compare_times(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Forecast and measured seconds of each machine, printed as they come."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        small = {"hidden": 384, "layers": 12, "feed_forward": 1024, "vocabulary": 16384}
        base = options.bundled.resolve() if options.bundled else make_base(Path(folder) / "small", **small)
        for machine, environment in MACHINES.items():
            case = {"base": str(base), "root": tempfile.mkdtemp(dir=folder), "records": options.records}
            variables = {"GOMP_SPINCOUNT": "20000", **os.environ, **environment}
            command = [sys.executable, __file__, "--time", json.dumps(case)]
            done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{machine}: {done.stderr}")
            found = json.loads(done.stdout.splitlines()[-1])
            figures.append({"machine": machine, **found})
            print(f"{machine} ({found['class']})", flush=True)
            for stage, (forecast, measured) in found["seconds"].items():
                ratio = measured / forecast
                print(f"  {stage:<9} {measured:>7.1f} s measured {forecast:>7.1f} forecast, ratio {ratio:.2f}", flush=True)
    return figures


def time_once(case: dict[str, Any]) -> None:
    """Forecast and then run training, evaluation and an export in this process; prints (forecast, measured) seconds of each.

    What loads libraries is run before, since a process does so once, and forecasts count it for each stage: it is taken off.
    """
    from adapt.adapter.train import train
    from adapt.advice.forecast import _LOADING_SECONDS, Training
    from adapt.advice.history import Correction
    from adapt.advice.inference import LOADING_SECONDS, evaluation_seconds, export_seconds
    from adapt.advice.machine import Device
    from adapt.advice.shape import read_shape
    from adapt.advice.workload import measured
    from adapt.artifact.progress import QuietProgress
    from adapt.base.calibration import calibrate
    from adapt.evaluate.build import EvaluateInputs, build
    from adapt.export.export import export
    from adapt.export.forms import ExportInputs
    from adapt.spec.evaluate import EvaluateSpec
    from adapt.spec.export import MergedExport, Parity
    from adapt.spec.resolved.evaluate import EvaluateSection
    from adapt.spec.resolved.export import ExportSection

    root, base = Path(case["root"]), Path(case["base"])
    section = section_of({"base": case["base"], "root": case["root"], "dtype": "auto", "batch_tokens": 1024, "patience": None})
    write_records(root / "dataset", tokens=150 * case["records"], test=12)
    calibration = calibrate("cpu")
    device = Device("cpu", 8 << 30, lambda: calibration)
    section = section.model_copy(update={"train": device.computed(section.train)})
    workload = measured(section, dataset=root / "dataset", base=base, device="cpu")
    shape, spec = read_shape(base), EvaluateSpec(generate_records=4, max_new_tokens=32)
    form = MergedExport(format="merged", parity=Parity(**LOOSE))
    training = Training(section, shape, workload, device, Correction()).seconds()
    assert training is not None
    forecasts = {
        "train": training - _LOADING_SECONDS,
        "evaluate": evaluation_seconds(shape, spec, workload, calibration, section.train.dtype) - LOADING_SECONDS,
        "export": export_seconds(shape, form, workload, calibration) - LOADING_SECONDS,
    }
    common = {"code": "0" * 64, "libraries": {}, "base": section.base}
    paths = {name: root / name for name in ("out", "curves", "work")}
    warm = {"base": base, "dataset": root / "dataset", "adapter": paths["out"]}
    stages = {
        "train": lambda: train(section, inputs=root / "dataset", base=base, progress=QuietProgress(), **paths),
        "evaluate": lambda: build(
            EvaluateSection(**common, evaluate=spec), inputs=EvaluateInputs(**warm), out=root / "evaluation", progress=QuietProgress()
        ),
        "export": lambda: export(ExportSection(**common, export=form), inputs=ExportInputs(**warm), out=root / "export", progress=QuietProgress()),
    }
    load_libraries(base)
    seconds = {}
    for stage, run in stages.items():
        begun = time.perf_counter()
        run()
        seconds[stage] = (forecasts[stage], time.perf_counter() - begun)
    print(json.dumps({"class": str(device.numerics(section.train.dtype)), "seconds": seconds}))


def load_libraries(base: Path) -> None:
    """Load what the stages load, with a pass through the base."""
    import peft  # noqa: F401
    import torch

    from adapt.base.load import load_model

    with torch.inference_mode():
        load_model(base, dtype="float32", device="cpu")(input_ids=torch.zeros(1, 4, dtype=torch.long))


def write_records(folder: Path, *, tokens: int, test: int = 0) -> None:
    """A finished data set of about so many tokens, in records of different lengths."""
    from adapt.artifact.digest import digest_text
    from adapt.artifact.lines import write_lines
    from adapt.artifact.staging import staged
    from adapt.records import AlpacaRecord
    from adapt.spec.resolved.stage import StageSection

    rng = random.Random(0)

    def record(number: int) -> AlpacaRecord:
        output = " ".join(rng.choice(WORDS) for _ in range(rng.randint(30, 110)))
        given = {"language": "en", "source": "made", "locator": str(number), "document": "d"}
        return AlpacaRecord(id=digest_text(str(number), output), instruction=f"What happens in case {number}?", output=output, **given)

    with staged(folder, section=StageSection(code="0" * 64, libraries={}), inputs={}) as staging:
        write_lines(staging / "train.jsonl", [record(number) for number in range(max(6, tokens // 150))])
        write_lines(staging / "validation.jsonl", [record(10_000 + number) for number in range(4)])
        if test:
            write_lines(staging / "test.jsonl", [record(20_000 + number) for number in range(test)])


if __name__ == "__main__":
    main()
