"""What an adapter reaches, held against a count of the base's own modules."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from adapt.adapter.load import load_adapter, read_training
from adapt.adapter.methods.coverage import language_names
from adapt.errors import InputError
from adapt.export.canonical import canonicalise
from adapt.serving.candidate import Candidate, Served
from adapt.serving.checks import has_missing_modules, has_unknown_modules, has_wrong_shapes
from adapt.serving.weights import BaseWeights
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.serving import Member
from tests.adapter.trainings import records, run, section, write_dataset
from tests.families import family_base

MIXTURES = ("deepseek_v3", "glm4_moe", "ernie4_5_moe", "qwen3_moe", "qwen2_moe")
LINEAR = ("lora", "rslora", "pissa", "olora", "eva", "adalora", "vera", "loha", "lokr", "lora_plus", "dora")


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("families")
    for kind in (*MIXTURES, "gemma3"):
        family_base(root / kind, kind)
    return root


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "dataset", records(4), records(1, first=9))


def linear_of(base: Path) -> set[str]:
    """Names of the linear layers of the language model, by walking over the model that transformers loads."""
    model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
    return {
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "lm_head" and not name.startswith(("model.vision_tower", "model.multi_modal"))
    }


def adapted_in(folder: Path) -> set[str]:
    names = {re.sub(r"\.(lora|hada|lokr|vera)_.*$", "", name) for name in load_file(folder / "adapter_model.safetensors")}
    return {name.removeprefix("base_model.model.") for name in names}


def trained(families: Path, kind: str, inputs: Path, target: Path, method: str = "lora", **settings: Any) -> Path:
    lora = LoraSpec(r=2, **settings) if "r" in METHODS[method].reads else LoraSpec()
    further: dict[str, Any] = {"epochs": 5} if method == "adalora" else {"activation_batches": 1} if method == "eva" else {"epochs": 1}
    made = section(families, base=kind, method=method, lora=lora, batch_tokens=512, learning_rate=1e-3, **further)
    run(made, families, inputs, target, base=kind)
    return target / "adapter"


@pytest.mark.parametrize("kind", [*MIXTURES, "gemma3"])
def test_all_linear_is_every_linear_module_of_the_language_model(families: Path, inputs: Path, tmp_path: Path, kind: str) -> None:
    folder = trained(families, kind, inputs, tmp_path)
    wanted = linear_of(families / kind)
    assert adapted_in(folder) == wanted
    said = read_training(folder)
    assert sum(said["adapted"].values()) == len(wanted)
    assert {re.sub(r"(?<=\.)\d+(?=\.)", "*", name) for name in wanted} == set(said["adapted"])
    assert ("model.layers.*.mlp.experts.down_proj" in said["not_adapted"]) == (kind in MIXTURES)
    if kind == "gemma3":
        assert any("vision_tower" in name for name in said["not_adapted"])
    config = json.loads((folder / "adapter_config.json").read_bytes())
    assert not config["target_parameters"]
    assert not config["rank_pattern"]


@pytest.mark.parametrize("kind", ["glm4_moe", "gemma3"])
def test_what_was_trained_is_what_is_loaded_exported_and_served(families: Path, inputs: Path, tmp_path: Path, kind: str) -> None:
    folder, base = trained(families, kind, inputs, tmp_path), families / kind
    loaded = load_adapter(folder, base, dtype="float32", device="cpu")
    ids = torch.arange(40, 60)[None]
    with torch.no_grad():
        ours = loaded.model(input_ids=ids).logits
        with loaded.disabled():
            plain = loaded.model(input_ids=ids).logits
        weights = load_file(folder / "adapter_model.safetensors")
        reference: Any = AutoModelForCausalLM.from_pretrained(base, local_files_only=True, dtype=torch.float32)
        for name, module in reference.named_modules():
            if f"base_model.model.{name}.lora_A.weight" in weights:
                a, b = (weights[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
                module.weight += (b @ a) * (LoraSpec(r=2).alpha / 2)
        expected = reference(input_ids=ids).logits
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(ours, plain, atol=1e-5)
    (tmp_path / "canonical").mkdir()
    assert set(canonicalise(folder, base, tmp_path / "canonical").modules) == linear_of(base)
    pinned = section(families, base=kind).base
    member = Member(base=pinned, prompt=PinnedPrompt(kind="model"), enabled=True)
    served = Served(base=pinned.digest, prompt=PinnedPrompt(kind="model"), weights=BaseWeights(base))
    candidate = Candidate("a", member, folder=folder, verdict=tmp_path, server=served)
    assert [check(candidate) for check in (has_unknown_modules, has_wrong_shapes, has_missing_modules)] == [None, None, None]


@pytest.mark.parametrize("method", LINEAR)
def test_every_method_of_linear_modules_reaches_them_all(families: Path, inputs: Path, tmp_path: Path, method: str) -> None:
    folder = trained(families, "qwen3_moe", inputs, tmp_path, method)
    assert adapted_in(folder) == linear_of(families / "qwen3_moe")
    assert load_adapter(folder, families / "qwen3_moe", dtype="float32", device="cpu")


@pytest.mark.parametrize("method", ["full", "bitfit", "houlsby", "ln_tuning"])
def test_methods_of_other_weights_leave_the_vision_tower_alone(families: Path, inputs: Path, tmp_path: Path, method: str) -> None:
    if method == "bitfit":
        with pytest.raises(InputError, match="has none"):
            trained(families, "gemma3", inputs, tmp_path, method)
        return
    folder = trained(families, "gemma3", inputs, tmp_path, method)
    said = read_training(folder)["adapted"]
    assert said
    assert not [name for name in said if "vision" in name]


def test_a_module_of_the_vision_tower_alone_is_refused_by_name(families: Path, inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'fc1' names no linear module of the base model; choose from: down_proj"):
        trained(families, "gemma3", inputs, tmp_path, target_modules=["fc1"])


def test_a_model_without_further_towers_is_language_as_a_whole(families: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(families / "glm4_moe", local_files_only=True)
    assert language_names(model) == {name for name, _ in model.named_modules()}
