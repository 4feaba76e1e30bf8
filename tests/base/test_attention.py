"""The attention that a base is given, held against the code that the model's authors wrote (eager)."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from adapt.adapter.load import load_adapter, read_training
from adapt.adapter.prompt import Example
from adapt.adapter.scoring import response_logprobs
from adapt.base import attention
from adapt.base.load import load_model
from adapt.spec.lora import LoraSpec
from tests.adapter.trainings import records, run, section, write_dataset
from tests.families import family_base
from tests.tiny import tiny_base

IDS = torch.arange(40, 72)[None]
KINDS = ("llama", "gemma2", "mistral", "granite", "gemma3", "qwen3_moe", "deepseek_v3")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bases")
    for kind in KINDS:
        tiny_base(root / kind) if kind == "llama" else family_base(root / kind, kind)
    return root


@pytest.fixture(autouse=True)
def _unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_reasons", {})


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


def written_by_authors(base: Path, implementation: str = "eager") -> Any:
    return AutoModelForCausalLM.from_pretrained(base, local_files_only=True, dtype=torch.float32, attn_implementation=implementation).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_base_has_the_logits_of_its_authors_code(bases: Path, kind: str) -> None:
    model = load_model(bases / kind, dtype="float32", device="cpu")
    torch.testing.assert_close(logits(model), logits(written_by_authors(bases / kind)), rtol=1e-4, atol=1e-4)
    assert model.config._attn_implementation == ("eager" if kind == "gemma2" else "sdpa")


def test_the_fused_kernel_would_leave_the_cap_out(bases: Path, caplog: pytest.LogCaptureFixture) -> None:
    fused, own = (logits(written_by_authors(bases / "gemma2", name)) for name in ("sdpa", "eager"))
    assert float((fused - own).abs().max()) > 0.01
    load_model(bases / "gemma2", dtype="bfloat16", device="cpu")
    assert "torch's fused attention leaves out its softcap, so the model's own is used" in caplog.text


def test_logits_that_differ_without_a_known_reason_are_noticed(
    bases: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_IGNORED", frozenset())
    assert load_model(bases / "gemma2", dtype="float32", device="cpu").config._attn_implementation == "eager"
    assert "gives other logits, by" in caplog.text


def test_training_evaluation_and_resumed_weights_use_the_models_own_attention(bases: Path, tmp_path: Path) -> None:
    inputs = write_dataset(tmp_path / "dataset", records(4), records(2, first=9))
    made = section(bases, base="gemma2", lora=LoraSpec(r=2), epochs=1)
    report = run(made, bases, inputs, tmp_path, base="gemma2")
    folder = tmp_path / "adapter"
    assert read_training(folder)["attention"] == "eager"
    loaded = load_adapter(folder, bases / "gemma2", dtype="float32", device="cpu")
    examples: list[Example] = [loaded.prompt.encode(each) for each in records(2, first=9)]
    own, nll, tokens = written_by_authors(bases / "gemma2"), 0.0, 0
    scores = []
    with loaded.disabled():
        scores = response_logprobs(loaded.model, examples, batch_tokens=256)
    for example, score in zip(examples, scores, strict=True):
        with torch.no_grad():
            logs = torch.log_softmax(own(input_ids=torch.tensor([list(example.ids)])).logits[0].double(), -1)
        places = range(example.prompt_length, example.length)
        expected = sum(float(logs[place - 1, example.ids[place]]) for place in places)
        assert score.logprob == pytest.approx(expected, rel=1e-4)
        nll, tokens = nll - expected, tokens + len(places)
    assert report.validation_loss_before == pytest.approx(nll / tokens, rel=1e-4)


def test_a_quantized_base_is_asked_without_being_repacked(bases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import BitsAndBytesConfig

    config: Any = BitsAndBytesConfig
    quantization = config(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    model: Any = load_model(bases / "gemma2", dtype="float32", device="cpu", quantization=quantization)
    assert model.config._attn_implementation == "eager"
    assert not model.training
    states = [module.weight.quant_state for module in model.modules() if type(module).__name__ == "Linear4bit"]
    assert states
    assert not any(getattr(state, "packing_format_for_cpu", False) for state in states)
