"""Kinds of base models, each held against transformers' own loss and plain sums of weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from adapt.adapter.intake import positions_for
from adapt.adapter.load import load_adapter
from adapt.adapter.methods.frozen import Base
from adapt.adapter.scoring import response_logprobs
from adapt.base.load import load_model
from adapt.errors import InputError
from adapt.spec.lora import LoraSpec
from tests.adapter.own import own_loss, own_model
from tests.adapter.trainings import record, records, run, section
from tests.tiny import tiny_base

Dataset = Callable[..., Path]
TRAINED = ("gpt2", "falcon", "falcon-alibi", "falcon-grouped", "gpt-oss", "gptj", "bloom", "mpt", "doge", "llama4")


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a tiny base of every kind of TRAINED."""
    root = tmp_path_factory.mktemp("kinds")
    for kind in TRAINED:
        tiny_base(root / kind, kind=kind)
    return root


def added_up(model: Any, adapter: Path, *, scaling: float) -> Any:
    """`model` with scaling B A added to each adapted weight, by plain sums."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    modules = dict(model.named_modules())
    for name, a in tensors.items():
        if name.endswith("lora_A.weight"):
            module: Any = modules[name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")]
            change = scaling * tensors[name.replace("lora_A", "lora_B")] @ a
            module.weight.data += change.T if type(module).__name__ == "Conv1D" else change
    return model


@pytest.mark.parametrize("kind", TRAINED)
def test_a_kind_of_base_trains_with_the_losses_of_transformers(kinds: Path, dataset: Dataset, tmp_path: Path, kind: str) -> None:
    settings = section(kinds, base=kind, epochs=1, lora=LoraSpec(r=4, lora_alpha=8))
    report = run(settings, kinds, dataset(), tmp_path, base=kind)
    loaded = load_adapter(tmp_path / "adapter", kinds / kind, dtype="float32", device="cpu")
    examples = [loaded.prompt.encode(record) for record in records(6, first=24)]
    assert report.validation_loss_before == pytest.approx(own_loss(own_model(kinds / kind), examples), rel=1e-5)
    assert report.validation_loss is not None
    assert report.validation_loss < report.validation_loss_before - 0.1
    summed = added_up(own_model(kinds / kind), tmp_path / "adapter", scaling=2.0)
    assert report.validation_loss == pytest.approx(own_loss(summed, examples), rel=1e-5)
    merged = loaded.merge()
    assert own_loss(merged, examples) == pytest.approx(report.validation_loss, rel=1e-5)
    assert type(merged) is type(load_model(kinds / kind, dtype="float32", device="cpu"))


def test_every_linear_module_of_gpt_2_gets_an_adapter(kinds: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(section(kinds, base="gpt2", epochs=1), kinds, dataset(), tmp_path, base="gpt2")
    names = {name.split(".lora_")[0].rpartition("transformer.")[2] for name in load_file(tmp_path / "adapter" / "adapter_model.safetensors")}
    parts = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert names == {f"h.{layer}.{part}" for layer in (0, 1) for part in parts}


def test_a_base_that_peft_cannot_adapt_is_refused_in_one_sentence(dataset: Dataset, tmp_path: Path) -> None:
    tiny_base(tmp_path / "mamba", kind="mamba")
    with pytest.raises(InputError, match="mamba"):
        run(section(tmp_path, base="mamba"), tmp_path, dataset(), tmp_path / "out", base="mamba")


def test_a_head_that_shares_the_embedding_is_no_module_to_thaw(kinds: Path, dataset: Dataset, tmp_path: Path) -> None:
    settings = section(kinds, base="gpt2", method="freeze", lora=LoraSpec(), layers=0, modules=["lm_head"])
    with pytest.raises(InputError, match="'lm_head' names lm_head, and no weight is theirs alone"):
        run(settings, kinds, dataset(), tmp_path, base="gpt2")


def test_contrastive_needs_passes_of_several_questions(kinds: Path, dataset: Dataset, tmp_path: Path) -> None:
    settings = section(kinds, base="gpt2", objective="contrastive", batch_tokens=16)
    with pytest.raises(InputError, match="every forward pass holds one question"):
        run(settings, kinds, dataset(), tmp_path, base="gpt2")


def test_records_beyond_the_positions_of_the_base_are_left_out_and_counted(
    kinds: Path, dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = record("What is long?", "A bond. " * 300)
    inputs = dataset([*records(20), long], [*records(4, first=20), long])
    lora = LoraSpec(r=4)
    report = run(section(kinds, base="gpt2", lora=lora, epochs=1, max_length_tokens=4096), kinds, inputs, tmp_path, base="gpt2")
    counts = json.loads((tmp_path / "adapter" / "training.json").read_bytes())["records"]
    assert (report.left_out, counts["left_out_validation"], counts["longest_tokens"]) == (1, 1, 512)
    assert "longer than the base has positions for (512): 1 training and 1 validation records" in caplog.text
    settings = section(kinds, base="gpt2", method="prompt_tuning", lora=LoraSpec(), virtual_tokens=40, max_length_tokens=4096)
    assert positions_for(kinds / "gpt2", settings.train) == 472
    prompt = Base(kinds / "gpt2").prompt(settings.prompt)
    model = load_model(kinds / "gpt2", dtype="float32", device="cpu")
    with pytest.raises(InputError, match="1 of 2 records are longer than the 512 positions of GPT2LMHeadModel"):
        response_logprobs(model, [prompt.encode(long), prompt.encode(records(1)[0])], batch_tokens=512)
