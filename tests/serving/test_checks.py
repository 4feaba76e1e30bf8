"""Adapters that must not reach the server, each with the reason that its author reads."""

import json
import shutil
from typing import Any

import pytest

from adapt.spec.base import PathBase, PinnedBase
from adapt.spec.prompt import PinnedPrompt
from tests.serving.adapters import MODULES, Scene, adapter_config, base_folder, lora_tensors, matrix

Q0 = "base_model.model.model.layers.0.self_attn.q_proj"
HEAD = "base_model.model.lm_head"


def reason(scene: Scene, **adapter: Any) -> str:
    """Why the adapter made so is left out; a good one beside it must be served all the same."""
    scene.add("good")
    scene.add("odd", **adapter)
    return left_out(scene)


def left_out(scene: Scene) -> str:
    report = scene.render(base_folder=base_folder(scene.root / "base"))
    assert [offer.name for offer in report.served] == ["good"]
    assert list(report.left_out) == ["odd"]
    return report.left_out["odd"]


def test_disabled_adapter_is_left_out(scene: Scene) -> None:
    assert reason(scene, enabled=False) == "serving.enabled is false in its spec"


def test_adapter_without_verdict_is_left_out(scene: Scene) -> None:
    assert reason(scene, passed=False) == "its gates have not passed"


@pytest.mark.parametrize("verdict", ["", "[]", '{"adapter": "x", "passed": false}', '{"passed": "true"}', "\x00"])
def test_verdict_that_does_not_say_passed_counts_as_failed(scene: Scene, verdict: str) -> None:
    scene.add("good")
    scene.add("odd")
    (scene.gates / "odd" / "passed.json").write_text(verdict)
    assert left_out(scene) == "its gates have not passed"


def test_adapter_on_another_base_is_left_out(scene: Scene) -> None:
    other = PinnedBase(source=PathBase(kind="path", path="other"), digest="c" * 64)
    assert reason(scene, base=other) == "it was trained on another base model than the one served (`base` in params.yaml)"


def test_adapter_with_another_prompt_is_left_out(scene: Scene) -> None:
    assert "another prompt template than the one served" in reason(scene, prompt=PinnedPrompt(kind="model", system="请用中文回答。"))


def test_adapter_whose_template_text_differs_is_left_out(scene: Scene) -> None:
    assert reason(scene, template="{{ messages }}") == "its chat template differs from that of good; a vLLM server has one for all"


@pytest.mark.parametrize("method", ["dora", "prompt_tuning", "full"])
def test_adapter_of_a_method_that_is_no_plain_lora_is_left_out(scene: Scene, method: str) -> None:
    found = reason(scene, training=json.dumps({"method": method}))
    assert found.startswith(f"it was trained with {method}, and vLLM serves only LoRA adapters beside a base")
    assert ("export it with format merged" in found) == (method != "prompt_tuning")
    assert json.loads((scene.out / "models.json").read_text())["left_out"] == {"odd": found}


@pytest.mark.parametrize("objective", ["reward", "classification", "contrastive"])
def test_adapter_that_was_not_trained_to_answer_is_left_out(scene: Scene, objective: str) -> None:
    training = json.dumps({"method": "lora", "objective": {"kind": objective}})
    assert reason(scene, training=training) == f"it was trained for objective {objective}, and answers no questions"


def test_adapter_that_was_rewarded_for_its_answers_is_served(scene: Scene) -> None:
    scene.add("good", training=json.dumps({"method": "lora", "objective": {"kind": "ppo"}}))
    assert [offer.name for offer in scene.render(base_folder=base_folder(scene.root / "base")).served] == ["good"]


def test_adapter_of_a_method_that_is_saved_as_lora_is_served(scene: Scene) -> None:
    scene.add("good", training='{"method": "pissa"}')
    assert [offer.name for offer in scene.render(base_folder=base_folder(scene.root / "base")).served] == ["good"]


def test_missing_adapter_folder_is_left_out(scene: Scene) -> None:
    scene.add("good")
    shutil.rmtree(scene.add("odd"))
    assert left_out(scene) == "its folder does not exist"


def test_unfinished_adapter_is_left_out(scene: Scene) -> None:
    scene.add("good")
    (scene.add("odd") / "manifest.json").unlink()
    assert left_out(scene) == "its folder is not a finished output: it has no manifest.json"


def test_adapter_changed_after_training_is_left_out(scene: Scene) -> None:
    scene.add("good")
    folder = scene.add("odd")
    (folder / "adapter_config.json").write_text(json.dumps(adapter_config(lora_alpha=64)))
    assert left_out(scene) == "its folder differs from its manifest: adapter_config.json"


def test_adapter_retrained_after_its_gates_is_left_out(scene: Scene) -> None:
    scene.add("good")
    scene.add("odd")
    scene.add("odd", passed=False, tensors=lora_tensors(b=0.25))
    assert left_out(scene) == "its folder is not the one that its gates judged"


def test_adapter_without_its_template_is_left_out(scene: Scene) -> None:
    scene.add("good")
    folder = scene.add("odd")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["chat_template.jinja"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "chat_template.jinja").unlink()
    scene.judge("odd")
    assert left_out(scene) == "its folder lacks chat_template.jinja"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"use_dora": True}, "it uses DoRA, which vLLM does not serve"),
        ({"lora_bias": True}, "it uses a bias on lora_B, which vLLM does not serve"),
        ({"trainable_token_indices": [3]}, "it uses trained token embeddings, which vLLM does not serve"),
        ({"alora_invocation_tokens": [1], "use_qalora": True}, "activation by an invocation text (aLoRA), QALoRA"),
        ({"layer_replication": [[0, 2]]}, "replicated layers"),
        ({"use_bdlora": {"nblocks": 2}}, "block-diagonal LoRA"),
        ({"target_parameters": ["experts.down_proj"]}, "adapters on bare parameters"),
        ({"arrow_config": {"top_k": 1}}, "Arrow routing"),
        ({"kasa_config": {}, "monteclora_config": {"num_samples": 2}}, "MonteCLoRA"),
        ({"kasa_config": {"beta": 1e-4}}, "KaSA"),
        ({"bias": "lora_only"}, "it was trained with bias 'lora_only', and vLLM serves only 'none'"),
        ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights is 'pissa_niter_4', which changed the base while training"),
        ({"init_lora_weights": "OLoRA"}, "init_lora_weights is 'OLoRA'"),
        ({"init_lora_weights": "corda"}, "init_lora_weights is 'corda'"),
        ({"init_lora_weights": "loftq"}, "init_lora_weights is 'loftq'"),
        ({"modules_to_save": ["lm_head", "embed_tokens"]}, "it replaces whole modules (embed_tokens, lm_head), which vLLM does not serve"),
        ({"init_lora_weights": "lora_ga"}, "init_lora_weights is 'lora_ga', which changed the base while training"),
        ({"r": 513}, "its rank is 513, and vLLM serves up to 512"),
        ({"rank_pattern": {"q_proj": 600}}, "its rank is 600, and vLLM serves up to 512"),
        ({"r": 0}, "names the rank 0; a whole number from 1 is allowed"),
        ({"r": None}, "names the rank None"),
        ({"rank_pattern": {"q_proj": "8"}}, "names the rank '8'"),
        ({"rank_pattern": {"q_proj(": 8}}, "holds a rank or alpha pattern that is not a mapping of regular expressions"),
        ({"alpha_pattern": [1]}, "holds a rank or alpha pattern"),
        ({"peft_type": "LOHA"}, "adapter_config.json does not describe a LoRA adapter"),
        ({"target_modules": ["q_proj", "v_proj", "o_proj"]}, "holds nothing for the target modules o_proj"),
        ({"r": 8}, f"{Q0}.lora_A.weight has the shape [4, 6], and [8, 6] fits the base and the rank"),
        ({"rank_pattern": {"layers.1.self_attn.q_proj": 2}}, "layers.1.self_attn.q_proj.lora_A.weight has the shape [4, 6], and [2, 6] fits"),
        ({"fan_in_fan_out": True}, "has the shape [4, 6], and [4, 8] fits the base and the rank"),
    ],
)
def test_configuration_that_vllm_refuses_or_misreads_is_left_out(scene: Scene, changes: dict[str, Any], expected: str) -> None:
    assert expected in reason(scene, config=adapter_config(**changes))


@pytest.mark.parametrize(
    ("text", "expected"), [("{", "adapter_config.json is not JSON"), ("[]", "adapter_config.json does not describe a LoRA adapter")]
)
def test_unreadable_configuration_is_left_out(scene: Scene, text: str, expected: str) -> None:
    assert reason(scene, config=text) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"base_model.model.lm_head.base_layer.weight": matrix(10, 6)}, "lm_head.base_layer.weight, which is no lora_A or lora_B"),
        ({f"{Q0}.lora_magnitude_vector": matrix(8, 1)}, "lora_magnitude_vector, which is no lora_A or lora_B of a linear layer"),
        ({"base_model.model.model.embed_tokens.lora_embedding_A": matrix(4, 10)}, "embed_tokens.lora_embedding_A, which is no lora_A or lora_B"),
        ({f"{HEAD}.lora_A.weight": matrix(4, 6), f"{HEAD}.lora_B.weight": matrix(10, 4)}, "it adapts lm_head, which only some of vLLM's models"),
        ({f"{Q0}.lora_B.weight": None}, "lora_A or lora_B is missing for model.layers.0.self_attn.q_proj"),
        ({f"{Q0}.lora_A.weight": matrix(4, 5)}, "has the shape [4, 5], and [4, 6] fits the base and the rank"),
        ({f"{Q0}.lora_B.weight": matrix(9, 4)}, "has the shape [9, 4], and [8, 4] fits the base and the rank"),
        ({f"{Q0}.lora_B.weight": ((32,), bytes(128))}, f"{Q0}.lora_B.weight is not a matrix"),
        ({f"{Q0}.lora_A.weight": None, f"{Q0}.lora_B.weight": None}, "holds nothing for model.layers.0.self_attn.q_proj, which the adapter targets"),
    ],
)  # fmt: skip
def test_tensors_that_vllm_would_skip_or_misread_are_left_out(scene: Scene, change: dict[str, Any], expected: str) -> None:
    tensors = {name: tensor for name, tensor in (lora_tensors() | change).items() if tensor is not None}
    assert expected in reason(scene, tensors=tensors)


def test_adapter_of_modules_that_the_base_lacks_is_left_out(scene: Scene) -> None:
    modules = {"model.layers.7.self_attn.q_proj": (8, 6), "model.layers.8.self_attn.q_proj": (8, 6), **MODULES}
    assert reason(scene, tensors=lora_tensors(modules=modules)) == "the base has no model.layers.7.self_attn.q_proj and 1 more"


def test_adapter_without_tensors_is_left_out(scene: Scene) -> None:
    assert reason(scene, tensors={}) == "adapter_model.safetensors adapts no module, so it would change nothing"


def test_adapter_that_changes_nothing_is_left_out(scene: Scene) -> None:
    assert reason(scene, tensors=lora_tensors(b=0.0)) == "every lora_B is zero, so it would change nothing"


def test_cut_off_weights_are_left_out(scene: Scene) -> None:
    scene.add("good")
    folder = scene.add("odd")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert left_out(scene) == "its folder differs from its manifest: adapter_model.safetensors"


def test_adapter_of_some_layers_is_served_when_its_configuration_says_so(scene: Scene) -> None:
    only = {name: shape for name, shape in MODULES.items() if ".1." in name}
    scene.add("top", tensors=lora_tensors(modules=only), config=adapter_config(layers_to_transform=[1]))
    assert scene.render(base_folder=base_folder(scene.root / "base")).left_out == {}


@pytest.mark.parametrize(
    "changes", [{"use_rslora": True}, {"alpha_pattern": {"q_proj": 64}}, {"init_lora_weights": "gaussian"}, {"target_modules": r".*\.(q|v)_proj"}]
)
def test_what_vllm_does_serve_is_served(scene: Scene, changes: dict[str, Any]) -> None:
    scene.add("fine", config=adapter_config(**changes))
    assert scene.render(base_folder=base_folder(scene.root / "base")).left_out == {}


def test_rank_patterns_are_served_with_room_for_the_largest_rank(scene: Scene) -> None:
    tensors = lora_tensors() | {f"{Q0}.lora_A.weight": matrix(20, 6), f"{Q0}.lora_B.weight": matrix(8, 20)}
    scene.add("mixed", tensors=tensors, config=adapter_config(rank_pattern={r"layers\.0\..*q_proj": 20}))
    report = scene.render(base_folder=base_folder(scene.root / "base"))
    assert (report.left_out, report.max_lora_rank) == ({}, 32)


def test_checkpoint_names_without_their_first_part_are_recognised(scene: Scene) -> None:
    short = {f"transformer.{name}": shape for name, shape in MODULES.items()}
    scene.add("gpt", tensors=lora_tensors(modules=short))
    assert scene.render(base_folder=base_folder(scene.root / "base")).left_out == {}


def test_shapes_go_unchecked_without_the_base(scene: Scene) -> None:
    scene.add("odd", tensors=lora_tensors(modules={"model.layers.9.q_proj": (3, 3), "model.layers.9.v_proj": (3, 3)}))
    report = scene.render(base_folder=None)
    assert (report.left_out, report.shapes_checked) == ({}, False)
