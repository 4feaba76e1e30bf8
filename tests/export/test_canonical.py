"""Plain LoRA: the trained adapter's own logits, whatever method made it, and no tensor or setting left behind."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from adapt.adapter.load import load_adapter
from adapt.artifact.digest import digest_files
from adapt.artifact.staging import staged
from adapt.errors import InputError
from adapt.export.canonical import BaseShapes, Canonical, canonicalise, read_factors
from adapt.export.forms import ExportInputs
from adapt.spec.methods import METHODS
from tests.adapter.trainings import records, section, write_dataset
from tests.adapter.trainings import run as train
from tests.export.conftest import PLAIN, make_adapter
from tests.tiny import tiny_base

IDS = torch.arange(40, 90)[None]
CONVERTIBLE = [name for name, method in METHODS.items() if method.plain_lora != "no"]
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def canonical(adapter: Path, base: Path, folder: Path) -> Canonical:
    folder.mkdir(parents=True)
    return canonicalise(adapter, base, folder)


def logits(base: Path, folder: Path | None = None) -> torch.Tensor:
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if folder is not None:
        model = PeftModel.from_pretrained(model, folder)
    with torch.inference_mode():
        return model.eval()(input_ids=IDS).logits


def trained_logits(adapter: Path, base: Path) -> torch.Tensor:
    with torch.inference_mode():
        return load_adapter(adapter, base, dtype="float32", device="cpu").model(input_ids=IDS).logits


def edited(adapter: Path, folder: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]) -> Path:
    """A finished adapter whose config and tensors were changed before it was finished."""
    with staged(folder, section=PLAIN, inputs={}) as staging:
        for path in adapter.iterdir():
            if path.name != "manifest.json":
                (staging / path.name).write_bytes(path.read_bytes())
        config, tensors = json.loads((staging / CONFIG).read_bytes()), load_file(staging / WEIGHTS)
        change(config, tensors)
        (staging / CONFIG).write_text(json.dumps(config))
        save_file(tensors, staging / WEIGHTS)
    return folder


@pytest.mark.parametrize("method", CONVERTIBLE)
def test_logits_are_those_of_the_trained_adapter(method: str, inputs: ExportInputs, tmp_path: Path) -> None:
    special: dict[str, Any] = {"pissa": {"svd_iterations": None}, "eva": {"activation_batches": 2}, "vera": {"learning_rate": 5e-2},
                               "adalora": {"learning_rate": 2e-2, "move_every_steps": 2, "epochs": 6}}  # fmt: skip
    dataset = write_dataset(tmp_path / "data", records(12), records(2, first=24))
    wanted = section(inputs.base.parent, method=method, base=inputs.base.name, **({"epochs": 1} | special.get(method, {})))
    train(wanted, inputs.base.parent, dataset, tmp_path, base=inputs.base.name)
    adapter = tmp_path / "adapter"
    canonical(adapter, inputs.base, tmp_path / "out")
    trained = trained_logits(adapter, inputs.base)
    assert (logits(inputs.base, tmp_path / "out") - trained).abs().max() < 1e-4
    assert (logits(inputs.base) - trained).abs().max() > 1e-3, "the adapter does something"


@pytest.mark.parametrize(
    ("config", "rank"),
    [
        ({"use_rslora": True}, 4),
        ({"rank_pattern": {"q_proj": 2, "layers.1.mlp.down_proj": 7}, "alpha_pattern": {"v_proj": 32}}, 7),
        ({"rank_pattern": {"^model.layers.0.self_attn.k_proj": 6}, "use_rslora": True, "lora_alpha": 5}, 6),
        ({"target_modules": ["q_proj", "down_proj"], "layers_to_transform": [1]}, 4),
    ],
    ids=str,
)
def test_scaling_and_patterns_become_numbers(config: dict[str, Any], rank: int, inputs: ExportInputs, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", inputs.base, **config)
    assert canonical(adapter, inputs.base, tmp_path / "out").rank == rank
    found = json.loads((tmp_path / "out" / CONFIG).read_text())
    assert (found["r"], found["lora_alpha"]) == (rank, rank)
    assert not {"rank_pattern", "alpha_pattern", "use_rslora"} & set(found)
    assert {min(tensor.shape) for tensor in load_file(tmp_path / "out" / WEIGHTS).values()} == {rank}
    assert (logits(inputs.base, tmp_path / "out") - trained_logits(adapter, inputs.base)).abs().max() < 1e-4


def test_config_is_short_and_sorted_and_bytes_are_equal(inputs: ExportInputs, tmp_path: Path) -> None:
    for name in ("one", "two"):
        canonical(inputs.adapter, inputs.base, tmp_path / name)
    assert digest_files(tmp_path / "one") == digest_files(tmp_path / "two")
    assert {path.name for path in (tmp_path / "one").iterdir()} == {WEIGHTS, CONFIG, "chat_template.jinja"}
    config = json.loads((tmp_path / "one" / CONFIG).read_text())
    assert list(config) == sorted(config)
    assert config["target_modules"] == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]


def test_modules_are_named_in_full_where_a_name_is_adapted_in_some_layers_only(inputs: ExportInputs, tmp_path: Path) -> None:
    adapter = make_adapter(tmp_path / "adapter", inputs.base, target_modules=["q_proj"], layers_to_transform=[1])
    canonical(adapter, inputs.base, tmp_path / "out")
    assert json.loads((tmp_path / "out" / CONFIG).read_text())["target_modules"] == ["model.layers.1.self_attn.q_proj"]


@pytest.mark.parametrize(
    ("method", "stored", "hint"),
    [
        ("dora", "its use_dora changes what it computes", "export it as merged"),
        ("lokr", "it is stored as LOKR", "export it as merged"),
        ("full", "it is stored as weights", "export it as merged"),
        ("ia3", "it is stored as IA3", "export it as merged"),
        ("prompt_tuning", "it is stored as PROMPT_TUNING", "it cannot be merged either: talk to it with `adapt chat`"),
        ("houlsby", "it is stored as bottleneck", "it cannot be merged either"),
    ],
)
def test_what_cannot_become_plain_lora_is_refused_with_what_can_be_had(
    method: str, stored: str, hint: str, inputs: ExportInputs, tmp_path: Path
) -> None:
    wanted = section(inputs.base.parent, method=method, base=inputs.base.name, epochs=1)
    train(wanted, inputs.base.parent, write_dataset(tmp_path / "data", records(6), records(2, first=24)), tmp_path, base=inputs.base.name)
    with pytest.raises(InputError, match=f"an adapter of method {method} cannot become plain LoRA: {stored}") as caught:
        canonical(tmp_path / "adapter", inputs.base, tmp_path / "out")
    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("field", "value"),
    [("init_lora_weights", "pissa"), ("bias", "all"), ("lora_bias", True), ("layer_replication", [[0, 2]]), ("a_field_of_tomorrow", 1)],
)
def test_settings_that_are_not_understood_are_refused(field: str, value: Any, inputs: ExportInputs, tmp_path: Path) -> None:
    adapter = edited(inputs.adapter, tmp_path / "adapter", lambda config, tensors: config.update({field: value}))
    with pytest.raises(InputError, match=f"cannot become plain LoRA: its {field}"):
        canonical(adapter, inputs.base, tmp_path / "out")


Q = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, t: t.update({"base_model.model.lm_head.weight": torch.zeros(2, 2)}), "holds 'base_model.model.lm_head.weight', which is no part"),
        (lambda c, t: t.pop(f"{Q}.lora_B.weight"), r"self_attn\.q_proj has lora_A and not its other half"),
        (
            lambda c, t: t.update({f"{Q}.lora_A.weight": torch.zeros(4, 65)}),
            r"A \(4, 65\), B \(128, 4\), and on this base rank 4 asks for A \(4, 64\)",
        ),
        (lambda c, t: c.update(r=8), "on this base rank 8 asks for"),
        (lambda c, t: t[f"{Q}.lora_B.weight"].fill_(float("inf")), "holds what is not a number"),
        (
            lambda c, t: t.update({k.replace("layers.0", "layers.9"): t.pop(k) for k in list(t)}),
            r"layers\.9\.\S+ is adapted, and the base has no weight",
        ),
        (lambda c, t: t.clear(), "holds no tensors"),
    ],
    ids=["foreign tensor", "half a pair", "shape", "rank", "not a number", "no such module", "empty"],
)
def test_weights_that_are_not_an_adapter_of_this_base_are_refused(change: Any, message: str, inputs: ExportInputs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        canonical(edited(inputs.adapter, tmp_path / "adapter", change), inputs.base, tmp_path / "out")


def test_adapter_of_another_base_is_refused(inputs: ExportInputs, tmp_path: Path) -> None:
    import transformers

    config = transformers.AutoConfig.from_pretrained(tiny_base(tmp_path / "other"))
    config.intermediate_size = 96
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match=r"layers\.0\.mlp\.down_proj has A \(4, 128\)"):
        canonical(inputs.adapter, replace(inputs, base=tmp_path / "other").base, tmp_path / "out")


def test_tied_output_head_is_refused_and_a_head_of_its_own_is_not(inputs: ExportInputs, untied: ExportInputs, tmp_path: Path) -> None:
    def without_copies(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        for name in [name for name in tensors if "lora" not in name]:
            del tensors[name]

    made = {
        name: make_adapter(tmp_path / name / "made", each.base, target_modules=["lm_head", "q_proj"])
        for name, each in {"tied": inputs, "own": untied}.items()
    }
    with pytest.raises(InputError, match="lm_head is adapted, and the base has no weight of that name"):
        canonical(edited(made["tied"], tmp_path / "tied" / "adapter", without_copies), inputs.base, tmp_path / "tied" / "out")
    canonical(edited(made["own"], tmp_path / "own" / "adapter", without_copies), untied.base, tmp_path / "own" / "out")
    assert (logits(untied.base, tmp_path / "own" / "out") - trained_logits(made["own"], untied.base)).abs().max() < 1e-4


def test_changed_folder_and_pickles_are_refused(inputs: ExportInputs, tmp_path: Path) -> None:
    with staged(tmp_path / "pickled", section=PLAIN, inputs={}) as staging:
        for path in inputs.adapter.iterdir():
            if path.name not in ("manifest.json", WEIGHTS):
                (staging / path.name).write_bytes(path.read_bytes())
        torch.save({}, staging / "adapter_model.bin")
    with pytest.raises(InputError, match="other files of weights are never read"):
        canonical(tmp_path / "pickled", inputs.base, tmp_path / "out")
    (tmp_path / "pickled" / CONFIG).write_text("{}")
    with pytest.raises(InputError, match="differs from its manifest"):
        canonical(tmp_path / "pickled", inputs.base, tmp_path / "again")


def hand_made(folder: Path, module: str, a: torch.Tensor, b: torch.Tensor, **config: Any) -> Path:
    """A finished adapter of one module, written without peft."""
    with staged(folder, section=PLAIN, inputs={}) as staging:
        save_file({f"base_model.model.{module}.lora_{side}.weight": half for side, half in (("A", a), ("B", b))}, staging / WEIGHTS)
        (staging / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": a.shape[0], "lora_alpha": 6, **config}))
        (staging / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def hand_made_base(folder: Path, **shapes: tuple[int, ...]) -> Path:
    folder.mkdir()
    save_file({f"{name.replace('__', '.')}.weight": torch.zeros(shape) for name, shape in shapes.items()}, folder / "model.safetensors")
    return folder


def test_the_config_says_what_peft_and_engines_need_and_nothing_else(tmp_path: Path) -> None:
    base = hand_made_base(tmp_path / "base", model__layers__0__q_proj=(8, 4), model__layers__0__norm=(4,), model__embed_tokens=(9, 4))
    adapter = hand_made(
        tmp_path / "adapter", "model.layers.0.q_proj", torch.ones(2, 4), torch.ones(8, 2),
        base_model_name_or_path="some/base", revision="f" * 40, lora_dropout=0.3, target_modules=["q_proj"], peft_version="0.21.0",
    )  # fmt: skip
    assert canonical(adapter, base, tmp_path / "out") == Canonical(2, ("model.layers.0.q_proj",))
    assert json.loads((tmp_path / "out" / CONFIG).read_text()) == {
        "base_model_name_or_path": "some/base",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": 2,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": 2,
        "revision": "f" * 40,
        "target_modules": ["q_proj"],
        "task_type": "CAUSAL_LM",
    }
    tensors = load_file(tmp_path / "out" / WEIGHTS)
    a, b = (tensors[f"base_model.model.model.layers.0.q_proj.lora_{side}.weight"] for side in "AB")
    assert torch.equal(b @ a, 6 / 2 * torch.ones(8, 2) @ torch.ones(2, 4)), "alpha / r is in the weights"
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == "{{ messages }}"


@pytest.mark.parametrize(("stored", "refused"), [((4, 8), None), ((8, 4), r"on this base rank 2 asks for A \(2, 8\), B \(4, 2\)")])
def test_weights_stored_by_input_are_held_against_the_base_the_other_way_round(stored: tuple[int, int], refused: str | None, tmp_path: Path) -> None:
    """As GPT-2's Conv1D stores them: (in, out), where a linear layer has (out, in)."""
    base = hand_made_base(tmp_path / "base", transformer__h__0__c_attn=stored)
    adapter = hand_made(tmp_path / "adapter", "transformer.h.0.c_attn", torch.ones(2, 4), torch.ones(8, 2), fan_in_fan_out=True)
    if refused:
        with pytest.raises(InputError, match=refused) as caught:
            canonical(adapter, base, tmp_path / "out")
        assert caught.value.hint == "it is an adapter for another base, or its config was edited: build it again"
    else:
        canonical(adapter, base, tmp_path / "out")
        assert json.loads((tmp_path / "out" / CONFIG).read_text())["fan_in_fan_out"] is True


def test_a_base_whose_names_lack_their_first_part_is_the_same_base(tmp_path: Path) -> None:
    shapes = BaseShapes(hand_made_base(tmp_path / "base", h__0__c_attn=(8, 4), h__0__norm=(4,)))
    assert shapes.of("transformer.h.0.c_attn") == shapes.of("h.0.c_attn") == (8, 4)
    assert shapes.of("transformer.c_attn") is None
    assert shapes.of("h.0.norm") is None, "no matrix"
    assert list(shapes.linear()) == ["h.0.c_attn"]


@pytest.mark.parametrize("sides", ["A", "B"])
def test_half_a_pair_and_a_module_of_another_base_are_refused_with_what_to_do(sides: str, tmp_path: Path) -> None:
    base = BaseShapes(hand_made_base(tmp_path / "base", model__layers__0__q_proj=(8, 4)))
    adapter = hand_made(tmp_path / "adapter", "model.layers.0.k_proj", torch.ones(2, 4), torch.ones(8, 2))
    with pytest.raises(InputError) as caught:
        read_factors(adapter, base)
    assert str(caught.value) == (
        "adapter_model.safetensors: model.layers.0.k_proj is adapted, and the base has no weight of that name\n"
        "hint: it is an adapter for another base; or it adapts a tied output head, which only a merged export can hold"
    )
    save_file({f"model.layers.0.q_proj.lora_{sides}.weight": torch.ones(2, 4)}, adapter / WEIGHTS)
    with pytest.raises(InputError) as caught:
        read_factors(adapter, base)
    assert str(caught.value) == (
        f"adapter_model.safetensors: model.layers.0.q_proj has lora_{sides} and not its other half\nhint: build the adapter again"
    )


@pytest.mark.parametrize("side", ["A", "B"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_value_that_is_no_number_is_refused(side: str, value: float, tmp_path: Path) -> None:
    base = BaseShapes(hand_made_base(tmp_path / "base", model__layers__0__q_proj=(8, 4)))
    halves = {"A": torch.ones(2, 4), "B": torch.ones(8, 2)}
    halves[side][1, 1] = value
    with pytest.raises(InputError, match="holds what is not a number") as caught:
        read_factors(hand_made(tmp_path / "adapter", "model.layers.0.q_proj", halves["A"], halves["B"]), base)
    assert caught.value.hint == "train again, with a lower learning rate"


@pytest.mark.parametrize(
    ("shapes", "targets"),
    [
        ({"model__layers__0__q_proj": (8, 4)}, ["q_proj"]),
        ({"model__layers__0__q_proj": (8, 4), "model__layers__1__q_proj": (8, 4)}, ["model.layers.0.q_proj"]),
        ({"model__layers__0__q_proj": (8, 4), "vision__layers__0__q_proj": (8, 4)}, ["model.layers.0.q_proj"]),
    ],
)
def test_modules_go_by_their_last_names_only_where_that_names_no_other(
    shapes: dict[str, tuple[int, ...]], targets: list[str], tmp_path: Path
) -> None:
    base = hand_made_base(tmp_path / "base", model__embed_tokens=(9, 4), **shapes)
    adapter = hand_made(tmp_path / "adapter", "model.layers.0.q_proj", torch.ones(2, 4), torch.ones(8, 2))
    canonical(adapter, base, tmp_path / "out")
    assert json.loads((tmp_path / "out" / CONFIG).read_text())["target_modules"] == targets


def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"base: \S+empty holds no safetensors") as caught:
        BaseShapes(tmp_path / "empty")
    assert caught.value.hint == "`adapt build` prepares the base model first"
    base = BaseShapes(hand_made_base(tmp_path / "base", model__layers__0__q_proj=(8, 4)))
    adapter = hand_made(tmp_path / "adapter", "model.layers.0.q_proj", torch.ones(2, 4), torch.ones(8, 2))
    save_file({}, adapter / WEIGHTS)
    with pytest.raises(InputError, match=r"holds no tensors, so it is no adapter") as caught:
        read_factors(adapter, base)
    assert caught.value.hint == "build the adapter again"
    (adapter / WEIGHTS).unlink()
    with pytest.raises(InputError, match="other files of weights are never read") as caught:
        read_factors(adapter, base)
    assert caught.value.hint == "build the adapter again"
    save_file({"model.layers.0.q_proj.lora_magnitude_vector": torch.ones(2)}, adapter / WEIGHTS)
    with pytest.raises(InputError, match="nothing may be dropped") as caught:
        read_factors(adapter, base)
    assert caught.value.hint == "export it as merged"


@pytest.mark.parametrize(
    ("field", "value", "read"),
    [
        ("init_lora_weights", "orthogonal", True), ("init_lora_weights", False, True), ("bias", None, True), ("bias", "lora_only", False),
        ("use_dora", False, True), ("use_dora", True, False), ("layer_replication", None, True), ("a_field_of_tomorrow", {}, True),
        ("a_field_of_tomorrow", 0.5, False), ("modules_to_save", ["lm_head"], False), ("loftq_config", {"loftq_bits": 4}, True),
        ("ensure_weight_tying", True, True),
    ],
)  # fmt: skip
def test_a_setting_is_read_past_only_where_it_changes_nothing(field: str, value: Any, read: bool, tmp_path: Path) -> None:
    base = BaseShapes(hand_made_base(tmp_path / "base", model__layers__0__q_proj=(8, 4)))
    adapter = hand_made(tmp_path / "adapter", "model.layers.0.q_proj", torch.ones(2, 4), torch.ones(8, 2), **{field: value})
    if read:
        read_factors(adapter, base)
        return
    with pytest.raises(InputError) as caught:
        read_factors(adapter, base)
    shown = f"{field} {value!r}" if field == "bias" else field
    assert str(caught.value) == (
        f"adapter: an adapter of method LORA cannot become plain LoRA: its {shown} changes what it computes\n"
        "hint: export it as merged, which vLLM serves as a model of its own"
    )
