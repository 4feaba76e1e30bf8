"""Tiny bases, an adapter with random weights on each, a dataset, and exports of them that several tests look at."""

import gc
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapt.adapter.load import TEMPLATE, TRAINING
from adapt.artifact.digest import digest_text
from adapt.artifact.lines import write_lines
from adapt.artifact.progress import QuietProgress
from adapt.artifact.staging import staged
from adapt.export.export import ExportReport, export
from adapt.export.forms import ExportInputs
from adapt.records import AlpacaRecord, Language
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.export import ExportSpec, MergedExport, OnnxExport, Parity, QuantizedExport
from adapt.spec.resolved.export import ExportSection
from adapt.spec.resolved.stage import StageSection
from tests.tiny import CHAT_TEMPLATE, tiny_base

PLAIN = StageSection(code="0" * 64, libraries={})
LOOSE = Parity(min_top1_agreement=0, max_mean_kl=100, max_worst_kl=1000, max_effect_error=100, max_perplexity_increase=100)
"""Gates that everything passes."""
_PAIRS: tuple[tuple[str, str, Language], ...] = (
    ("What is a bond?", "A bond is a loan that an investor makes to a company or a government.", "en"),
    ("What is a share?", "A share is a part of a company.", "en"),
    ("What does the heart do?", "The heart pumps blood through the body.", "en"),
    ("什么是债券？", "债券是公司或政府向投资者借款的凭证。", "zh"),
)


def make_record(instruction: str, output: str, language: Language = "en") -> AlpacaRecord:
    """A record whose id follows from its text."""
    return AlpacaRecord(
        id=digest_text(instruction, output), instruction=instruction, output=output, language=language, source="a.md", locator="", document="d"
    )


def make_dataset(folder: Path, records: list[AlpacaRecord]) -> Path:
    """A dataset folder whose test and train splits are both `records`."""
    with staged(folder, section=PLAIN, inputs={}) as staging:
        for split in ("test", "train"):
            write_lines(staging / f"{split}.jsonl", records)
    return folder


def make_adapter(folder: Path, base: Path, **config: Any) -> Path:
    """An adapter folder as training leaves it, with random weights."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "init_lora_weights": False, "task_type": "CAUSAL_LM"} | config
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        peft = get_peft_model(model, LoraConfig(**settings))
    with staged(folder, section=PLAIN, inputs={}) as staging:
        peft.save_pretrained(str(staging))
        (staging / TEMPLATE).write_text(CHAT_TEMPLATE, encoding="utf-8")
        (staging / TRAINING).write_text(json.dumps(TRAINED), encoding="utf-8")
    return folder


TRAINED = {
    "dtype": "bfloat16",
    "method": "lora",
    "steps": {"planned": 4, "taken": 4, "best": 4},
    "losses": {"train": 1.5, "validation_before": 2.0, "validation": None},
    "records": {"train": 3},
    "tokens": {"seen": 100, "trained": 40},
}
"""What a training says of itself, as far as exports read it."""


def section(spec: ExportSpec) -> ExportSection:
    """A section on a base that tests give by path."""
    return ExportSection(code="0" * 64, libraries={}, base=PinnedBase(source=BundledBase(), digest="0" * 64), export=spec)


def run(spec: ExportSpec, inputs: ExportInputs, out: Path) -> ExportReport:
    return export(section(spec), inputs=inputs, out=out, progress=QuietProgress())


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports() -> Iterator[None]:
    """Keep what the heavy libraries bring out of the garbage collector's sight: every export collects, and would look through it all."""
    import bitsandbytes  # noqa: F401
    import peft  # noqa: F401

    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def make_inputs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., ExportInputs]:
    """Base, adapter and dataset; keywords go to the adapter's LoraConfig."""

    def make(*, tied: bool = True, **config: Any) -> ExportInputs:
        folder = tmp_path_factory.mktemp("inputs")
        base = tiny_base(folder / "base", tied=tied)
        records = [make_record(*pair) for pair in _PAIRS]
        return ExportInputs(adapter=make_adapter(folder / "adapter", base, **config), dataset=make_dataset(folder / "dataset", records), base=base)

    return make


@pytest.fixture(scope="session")
def inputs(make_inputs: Callable[..., ExportInputs]) -> ExportInputs:
    """On the base with tied embeddings."""
    return make_inputs()


@pytest.fixture(scope="session")
def untied(make_inputs: Callable[..., ExportInputs]) -> ExportInputs:
    return make_inputs(tied=False)


@pytest.fixture(scope="session")
def merged(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter merged in float32, tied."""
    out = tmp_path_factory.mktemp("exports") / "merged"
    run(MergedExport(format="merged", dtype="float32"), inputs, out)
    return out


@pytest.fixture(scope="session")
def onnx_fp32(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter as ONNX in float32, tied."""
    out = tmp_path_factory.mktemp("exports") / "onnx"
    run(OnnxExport(format="onnx", precision="fp32"), inputs, out)
    return out


@pytest.fixture(scope="session")
def nf4(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter quantized to NF4, tied."""
    out = tmp_path_factory.mktemp("exports") / "nf4"
    run(QuantizedExport(format="quantized", scheme="nf4", parity=LOOSE), inputs, out)
    return out
