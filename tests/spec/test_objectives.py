"""The table of objectives, their settings, and what specs with objectives and steps are held against."""

from pathlib import Path
from typing import Any, get_args

import pytest

from adapt.errors import SpecError
from adapt.spec.evaluate import Metric
from adapt.spec.objective import ObjectiveSpec
from adapt.spec.objectives import OBJECTIVES
from adapt.spec.section import Section
from tests.spec.test_load import load

FUNCTIONS: dict[str, dict[str, Any]] = {
    "exact_match": {}, "contains": {"texts": ["x"]}, "regex": {"pattern": "x"}, "same_match": {"pattern": "(x)"}, "length": {"max_tokens": 9},
    "json_valid": {"keys": ["x"]},
}  # fmt: skip
NEEDED = {"ppo": {"reward": {"functions": [{"kind": "json_valid"}]}}, "grpo": {"reward": {"functions": [{"kind": "json_valid"}]}}}
CHAIN = """
dataset: {form: preference}
steps:
  sft: {train: {epochs: 1}}
  reward: {train: {objective: reward, start_from: sft}}
train: {start_from: sft, objective: {kind: ppo, reward: {step: reward}}}
"""


def models() -> dict[str, type[Section]]:
    return {get_args(model.model_fields["kind"].annotation)[0]: model for model in get_args(get_args(ObjectiveSpec)[0])}


def problems(tmp_path: Path, text: str, params: str = "") -> str:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, params, a=text)
    return str(caught.value)


def test_every_objective_has_one_model_and_metrics_that_gates_know() -> None:
    assert list(models()) == list(OBJECTIVES)
    for objective in OBJECTIVES.values():
        assert set(objective.metrics) <= set(get_args(Metric))
        assert objective.paper is None or len(objective.paper) == 10
    assert {metric for objective in OBJECTIVES.values() for metric in objective.metrics} == set(get_args(Metric))


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_a_bare_name_stands_for_the_defaults(tmp_path: Path, kind: str) -> None:
    form = f"dataset: {{form: {OBJECTIVES[kind].forms[0]}}}\n"
    if kind in NEEDED:
        assert "train.objective.reward: is required" in problems(tmp_path, f"{form}train: {{objective: {kind}}}")
        return
    spec = load(tmp_path, "", a=f"{form}train: {{objective: {kind}}}")["a"]
    assert spec.train.objective == models()[kind](kind=kind)
    assert spec.train.learning_rate == pytest.approx(2e-4 * OBJECTIVES[kind].rate)
    assert [gate.metric for gate in spec.evaluate.gates] == [OBJECTIVES[kind].metrics[0]]


def test_rate_and_gates_of_params_are_those_of_its_own_objective(tmp_path: Path) -> None:
    params = "train: {learning_rate: 0.01}\nevaluate: {gates: [{metric: bleu, minimum: 3}]}\ndataset: {form: preference}"
    specs = load(tmp_path, params, a="train: {objective: dpo}", b="train: {epochs: 1}", c="train: {objective: dpo, learning_rate: 0.02}\n"
                 "evaluate: {gates: [{metric: f1, minimum: 0.2}]}")  # fmt: skip
    assert specs["a"].train.learning_rate == pytest.approx(1e-5)
    assert [gate.metric for gate in specs["a"].evaluate.gates] == ["preference_accuracy"]
    assert (specs["b"].train.learning_rate, [gate.metric for gate in specs["b"].evaluate.gates]) == (0.01, ["bleu"])
    assert (specs["c"].train.learning_rate, [gate.metric for gate in specs["c"].evaluate.gates]) == (0.02, ["f1"])


def test_an_unknown_objective_is_named_where_it_stands(tmp_path: Path) -> None:
    found = problems(tmp_path, "train: {objective: dpp}")
    assert "specs/a.yaml: train.objective.kind: 'dpp' is not a kind; choose from: sft, pretrain, dpo" in found


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("kind: kto, desirable_weight: 0, undesirable_weight: 0", "both 0, so nothing would be learnt"),
        ("kind: grpo, reward: {}", "set step to the name of a step with objective reward, or functions"),
        ("kind: grpo, generations: 1, reward: {functions: [{kind: json_valid}]}", "must be 2 or more"),
        ("kind: ppo, reward: {functions: [{kind: regex, pattern: '('}]}", "is no regular expression"),
        ("kind: ppo, reward: {functions: [{kind: same_match, pattern: 'x'}]}", "has 0 groups, and one is compared"),
        ("kind: ppo, reward: {functions: [{kind: length, min_tokens: 5, max_tokens: 3}]}", "min_tokens is above max_tokens"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, settings: str, complaint: str) -> None:
    assert complaint in problems(tmp_path, f"dataset: {{form: preference}}\ntrain: {{objective: {{{settings}}}}}")


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_reward_functions_are_declared_in_the_spec(tmp_path: Path, kind: str) -> None:
    settings = "".join(f", {name}: {value!r}" for name, value in FUNCTIONS[kind].items())
    spec = load(tmp_path, "", a=f"train: {{objective: {{kind: grpo, reward: {{functions: [{{kind: {kind}, weight: 2{settings}}}]}}}}}}")["a"]
    objective: Any = spec.train.objective
    assert (objective.reward.functions[0].kind, objective.reward.functions[0].weight) == (kind, 2.0)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_records_of_a_form_that_an_objective_does_not_read_are_refused(tmp_path: Path, kind: str) -> None:
    forms = {"instruction", "preference", "text"}
    reward = ", reward: {functions: [{kind: json_valid}]}" if kind in NEEDED else ""
    for form in forms - set(OBJECTIVES[kind].forms):
        found = problems(tmp_path, f"dataset: {{form: {form}}}\ntrain: {{objective: {{kind: {kind}{reward}}}}}")
        assert f"train.objective: {kind} reads records of form {' or '.join(OBJECTIVES[kind].forms)}, and dataset.form is {form}" in found


def test_a_chain_inherits_and_keeps_its_order(tmp_path: Path) -> None:
    spec = load(tmp_path, "train: {epochs: 3, batch_tokens: 99}\nlora: {r: 4}", a=CHAIN + "lora: {r: 8}")["a"]
    assert list(spec.steps) == ["sft", "reward"]
    sft, reward = spec.steps.values()
    assert (sft.train.epochs, sft.train.batch_tokens, sft.lora.r, sft.train.objective.kind) == (1, 99, 8, "sft")
    assert (reward.train.epochs, reward.lora.r, reward.train.learning_rate) == (3, 8, pytest.approx(1e-4))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("train: {start_from: sft,", "train: {start_from: none,", "train.start_from: 'none' is no step that stands before this training"),
        ("start_from: sft}}", "start_from: reward}}", "steps.reward.train.start_from: 'reward' is no step that stands before this training"),
        ("{step: reward}", "{step: sft}", "step sft has objective sft, and a reward model is needed"),
        ("{epochs: 1}}", "{epochs: 1}, lora: {r: 4}}", "an adapter is trained further in its own shape, and lora.r is 16 here and 4 in the step"),
        ("{epochs: 1}", "{epochs: 1, method: dora}", "and method is lora here and dora in the step"),
        ("{epochs: 1}", "{method: pissa}", "what pissa saves cannot be trained further"),
        ("train: {start_from: sft, objective", "train: {objective", None),
        ("sft: {train: {epochs: 1}}", "sft: {train: {epochs: 1}}\n  more: {}", "steps.more: no training starts from it or is rewarded by it"),
    ],
)
def test_a_chain_that_does_not_hold_is_refused(tmp_path: Path, old: str, new: str, complaint: str | None) -> None:
    assert old in CHAIN
    if complaint is None:
        load(tmp_path, "", a=CHAIN.replace(old, new))
    else:
        assert complaint in problems(tmp_path, CHAIN.replace(old, new))


def test_what_an_objective_cannot_give_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, "dataset: {form: preference}\ntrain: {objective: reward}\nexport: {m: {format: merged}}\n"
                     "evaluate: {gates: [{metric: perplexity, maximum: 3}], checks: [{prompt: x, must_contain: [y]}]}")  # fmt: skip
    assert "evaluate.gates: perplexity is not measured; objective reward is measured by reward_accuracy, reward_margin" in found
    assert "export.m: an export has no place for the head of reward" in found
    assert "evaluate.checks: reward trains no model that answers questions" in found
