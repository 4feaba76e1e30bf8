"""A tiny base, adapters on it with random weights, and datasets: enough to evaluate in a second."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapt.adapter.load import TEMPLATE, TRAINING
from adapt.adapter.prompt import effective_template
from adapt.artifact.digest import digest_text
from adapt.artifact.lines import write_lines
from adapt.artifact.staging import staged
from adapt.base.load import load_tokenizer
from adapt.records import AlpacaRecord, Language
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.evaluate import EvaluateSpec
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.evaluate import EvaluateSection
from adapt.spec.resolved.stage import StageSection
from tests.tiny import tiny_base

PLAIN = StageSection(code="0" * 64, libraries={})
_PAIRS: tuple[tuple[str, str, Language], ...] = (
    ("What is a bond?", "A bond is a loan that an investor makes to a company or a government.", "en"),
    ("What is a share?", "A share is a part of a company.", "en"),
    ("How does the contract end?", "The contract ends when both parties have done what they promised, or when one of them gives notice.", "en"),
    ("What does the heart do?", "The heart pumps blood through the body.", "en"),
    ("什么是债券？", "债券是公司或政府向投资者借款的凭证。", "zh"),
    ("合同何时终止？", "合同在双方履行义务之后终止。", "zh"),
)


def record(instruction: str, output: str, language: Language = "en", **rest: Any) -> AlpacaRecord:
    """A record whose id follows from its text."""
    return AlpacaRecord(
        id=digest_text(instruction, output),
        instruction=instruction,
        output=output,
        language=language,
        source="a.md",
        locator="",
        document="d",
        **rest,
    )


def records() -> list[AlpacaRecord]:
    """Four English and two Chinese records, sorted by id."""
    return sorted((record(*pair) for pair in _PAIRS), key=lambda each: each.id)


def evaluate_section(**settings: Any) -> EvaluateSection:
    """A section with a few short answers, on a base that tests give by path."""
    spec = EvaluateSpec(**({"generate_records": 4, "max_new_tokens": 8} | settings))
    return EvaluateSection(code="0" * 64, libraries={}, base=PinnedBase(source=BundledBase(), digest="0" * 64), evaluate=spec)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="session")
def make_adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """An adapter folder as training leaves it, with weights drawn from a seed."""

    def make(seed: int) -> Path:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        out = tmp_path_factory.mktemp("adapter") / f"seed-{seed}"
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
            peft = get_peft_model(model, config)
        with staged(out, section=PLAIN, inputs={}) as folder:
            peft.save_pretrained(str(folder))
            (folder / TEMPLATE).write_text(effective_template(PinnedPrompt(kind="model"), load_tokenizer(base)).text, encoding="utf-8")
            (folder / TRAINING).write_text(json.dumps({"dtype": "float32"}), encoding="utf-8")
        return out

    return make


@pytest.fixture(scope="session")
def adapter(make_adapter: Callable[[int], Path]) -> Path:
    return make_adapter(1)


def write_dataset(out: Path, rows: Sequence[AlpacaRecord]) -> Path:
    """A dataset folder that holds a test split alone."""
    with staged(out, section=PLAIN, inputs={}) as folder:
        write_lines(folder / "test.jsonl", rows)
    return out


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset", records())
