"""The table of methods, and what specs are held against it."""

from pathlib import Path
from typing import Any, get_args

import pytest

from adapt.errors import SpecError
from adapt.spec.common_train import CommonTrain
from adapt.spec.methods import LORA_FIELDS, METHODS, fitting_instead
from adapt.spec.resolved.train import TrainSection
from adapt.spec.train import TrainSpec
from tests.spec.test_load import load

ANOTHER: dict[str, Any] = {
    "layers": 1, "modules": ["model.norm"], "projection_rank": 4, "projection_every_steps": 7, "projection_scale": 3.0,
    "quantization_type": "fp4", "double_quantization": False, "b_rate_ratio": 8.0, "svd_iterations": None, "rank_spread": 1.0,
    "activation_batches": 3, "initial_rank_ratio": 2.0, "settle_ratio": 0.1, "move_every_steps": 3, "orthogonality": 0.1, "factor": 4,
    "group_tokens": 64, "bottleneck_size": 8, "activation": "silu", "bottleneck_scale": 4.0, "virtual_tokens": 5, "initial_text": "Answer.",
    "encoder_size": 16,
}  # fmt: skip
"""Another value of every field that only some methods have."""


def _models() -> list[type[CommonTrain]]:
    return list(get_args(get_args(TrainSpec)[0]))


def _methods_of(model: type[CommonTrain]) -> tuple[str, ...]:
    return get_args(model.model_fields["method"].annotation)


def test_every_method_has_one_model() -> None:
    named = [name for model in _models() for name in _methods_of(model)]
    assert sorted(named) == sorted(METHODS)


def test_what_is_stored_plain_is_served_and_what_is_served_merges() -> None:
    for method in METHODS.values():
        assert method.mergeable or method.plain_lora == "no"
        assert set(method.reads) <= set(LORA_FIELDS)
        assert ("r" in method.reads) == (method.rank is not None)
        assert (method.vllm, method.onnxruntime) in {("adapter", "merged"), ("merged", "merged"), ("no", "no")}
        assert method.paper is None or len(method.paper) == 10


def test_what_fits_instead_needs_nothing() -> None:
    offered = fitting_instead("biases").split(", ")
    assert "lora" in offered
    assert not {"bitfit", "moe_lora", "longlora"} & set(offered)


@pytest.mark.parametrize("method", METHODS)
def test_unset_settings_are_those_of_the_method(tmp_path: Path, method: str) -> None:
    spec = load(tmp_path, "train: {learning_rate: null}\nlora: {r: null}", a=f"train: {{method: {method}}}")["a"]
    known = METHODS[method]
    assert spec.train.learning_rate == spec.train.peak_rate == known.learning_rate
    assert spec.lora.r == known.rank
    if "lora_alpha" in known.reads:
        assert spec.lora.lora_alpha == known.scaling * known.rank


def test_what_is_set_wins_over_the_method(tmp_path: Path) -> None:
    spec = load(tmp_path, "", a="train: {method: vera, learning_rate: 1.0e-5}\nlora: {r: 7}")["a"]
    assert (spec.train.learning_rate, spec.lora.r) == (1e-5, 7)


def test_a_learning_rate_of_another_method_is_not_inherited(tmp_path: Path) -> None:
    specs = load(tmp_path, "train: {method: lora, learning_rate: 3.0e-4, epochs: 7}", a="train: {method: full}", b="")
    assert (specs["a"].train.learning_rate, specs["a"].train.epochs) == (METHODS["full"].learning_rate, 7)
    assert specs["b"].train.learning_rate == 3e-4


@pytest.mark.parametrize(("method", "field"), [(name, field) for name, known in METHODS.items() for field in LORA_FIELDS if field not in known.reads])
def test_a_lora_field_that_the_method_does_not_read_is_refused_in_the_spec_and_left_out_where_it_is_inherited(
    tmp_path: Path, method: str, field: str
) -> None:
    value = {"r": 4, "lora_alpha": 9, "lora_dropout": 0.2, "target_modules": "[q_proj]", "use_rslora": "true"}[field]
    with pytest.raises(SpecError) as caught:
        load(tmp_path, "", a=f"train: {{method: {method}}}\nlora: {{{field}: {value}}}")
    assert f"specs/a.yaml: lora.{field}: train.method {method} does not read it; it reads" in str(caught.value)
    assert "hint: take the line out, or choose a method that reads it: lora, qlora" in str(caught.value)
    inherited = load(tmp_path, f"lora: {{{field}: {value}}}", a=f"train: {{method: {method}}}")["a"]
    assert inherited.lora == load(tmp_path, "", a=f"train: {{method: {method}}}")["a"].lora


@pytest.mark.parametrize("method", [name for name, known in METHODS.items() if not known.mergeable])
@pytest.mark.parametrize("export", ["merged", "quantized", "onnx"])
def test_an_export_of_a_method_that_cannot_be_merged_is_refused(tmp_path: Path, method: str, export: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, f"export: {{x: {{format: {export}}}}}", a=f"train: {{method: {method}}}", b="")
    assert f"specs/a.yaml: export.x: format {export} folds the adapter into the base, and {method} cannot be merged" in str(caught.value)
    assert "specs/b.yaml" not in str(caught.value)
    assert not load(tmp_path, f"export: {{x: {{format: {export}}}}}", a=f"train: {{method: {method}}}\nexport: {{x: null}}")["a"].export


def test_a_rank_that_doubles_past_what_is_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SpecError, match=r"lora\.r: 257: pissa saves an adapter of 2 times the rank, and vLLM serves up to 512\nhint: set lora\.r to 256"
    ):
        load(tmp_path, "", a="train: {method: pissa}\nlora: {r: 257}")
    assert load(tmp_path, "", a="train: {method: lora}\nlora: {r: 512}")["a"].lora.r == 512


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("{method: lorra}", "'lorra' is not a method; choose from: lora, rslora"),
        ("{method: dora, svd_iterations: 4}", "specs/a.yaml: train.svd_iterations: unknown field 'svd_iterations'"),
        ("{method: qlora, quantization_type: int8, double_quantization: true}", "quantization_type int8 does not read it"),
        ("{method: freeze, layers: 0}", "layers is 0 and modules is empty, so nothing would be trained"),
        ("{method: ia3, scaled_modules: [k_proj]}", "set both scaled_modules and scaled_input_modules"),
        ("{method: p_tuning_v2, gradient_checkpointing: true}", "gradient_checkpointing does not work with keys and values before the prompt"),
        ("{method: longlora, group_tokens: 7}", "train.group_tokens: 7:"),
    ],
)
def test_a_mistake_in_train_is_explained(tmp_path: Path, train: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, "", a=f"train: {train}")
    assert message in str(caught.value)


@pytest.mark.parametrize("method", METHODS)
def test_every_field_of_a_method_changes_the_train_stages_section(method: str) -> None:
    def resolved(**settings: Any) -> dict[str, Any]:
        whole = {"code": "", "libraries": {}, "base": {"source": {"kind": "bundled"}, "digest": "0"}, "prompt": {"kind": "model"}, "seed": 0}
        return TrainSection.model_validate({**whole, "lora": {}, "train": {"method": method, **settings}}).model_dump(mode="json")

    model = next(model for model in _models() if method in _methods_of(model))
    own = set(model.model_fields) - set(CommonTrain.model_fields) - {"method", "scaled_modules", "scaled_input_modules"}
    assert own <= set(ANOTHER)
    for field in own:
        assert resolved(**{field: ANOTHER[field]}) != resolved(), field
    assert TrainSection.model_validate(resolved()).model_dump(mode="json") == resolved(), "a resolved section reads back as it is"
