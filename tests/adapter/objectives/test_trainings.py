"""Trainings of every objective on a tiny model: the loss falls, a killed one resumes exactly, and what was saved is what was trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapt.adapter.lane import Lane
from adapt.adapter.load import load_adapter, read_training
from adapt.adapter.train import TrainReport
from adapt.artifact.digest import digest_files
from adapt.artifact.manifest import read_provenance
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from tests.adapter.objectives.pairs import labelled, pairs, texts
from tests.adapter.test_methods import BASES
from tests.adapter.test_methods import CASES as METHOD_CASES
from tests.adapter.trainings import BASE, run, section, write_dataset

ROLLOUTS = {"reward": {"functions": [{"kind": "contains", "texts": ["a"]}]}, "generations": 8, "max_new_tokens": 4, "inner_iterations": 2}
CASES: dict[str, dict[str, Any]] = {
    "pretrain": {"objective": "pretrain", "records": texts},
    "dpo": {"objective": {"kind": "dpo", "label_smoothing": 0.1}, "records": pairs, "learning_rate": 2e-3},
    "ipo": {"objective": "ipo", "records": pairs, "learning_rate": 2e-3},
    "kto": {"objective": "kto", "records": pairs, "learning_rate": 2e-3},
    "orpo": {"objective": "orpo", "records": pairs},
    "simpo": {"objective": "simpo", "records": pairs, "learning_rate": 2e-3},
    "reward": {"objective": "reward", "records": pairs, "learning_rate": 2e-3},
    "classification": {"objective": "classification", "records": labelled},
    "contrastive": {"objective": "contrastive", "records": pairs, "learning_rate": 2e-3},
    "grpo": {"objective": {"kind": "grpo", **ROLLOUTS}, "records": pairs, "epochs": 4},
    "ppo": {"objective": {"kind": "ppo", **ROLLOUTS}, "records": pairs, "epochs": 4},
}


class _StopError(Exception):
    pass


def trained(workspace: Path, inputs: Path, target: Path, *, stop_at: int | None = None, **settings: Any) -> tuple[TrainReport, Lane]:
    """Train; gives the report and the lane with the weights that were saved. `stop_at` fails before that step."""
    seen: list[Lane] = []
    begin = Lane.begin_step

    def watched(self: Lane) -> None:
        seen[:] = [self]
        if self.state.step == stop_at:
            raise _StopError
        begin(self)

    usual = {"checkpoint_every_steps": 2, "evaluate_every_steps": 2, "batch_tokens": 512, "epochs": 3} | settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lane, "begin_step", watched)
        report = run(section(workspace, **usual), workspace, inputs, target)
    return report, seen[0]


def prepared(tmp_path: Path, name: str) -> tuple[Path, dict[str, Any]]:
    """A dataset for the case, and its settings."""
    settings = dict(CASES[name])
    make = settings.pop("records")
    return write_dataset(tmp_path / "data", make(24), make(6, first=24)), settings


@pytest.mark.parametrize("name", CASES)
def test_an_objective_learns_resumes_exactly_and_is_saved(workspace: Path, tmp_path: Path, name: str) -> None:
    inputs, settings = prepared(tmp_path, name)
    report, _ = trained(workspace, inputs, tmp_path / "whole", **settings)
    assert report.validation_loss is not None
    assert report.validation_loss_before is not None
    assert report.validation_loss < report.validation_loss_before - 0.01

    with pytest.raises(_StopError):
        trained(workspace, inputs, tmp_path / "stopped", stop_at=3, **settings)
    resumed, _ = trained(workspace, inputs, tmp_path / "stopped", **settings)
    assert resumed.resumed_at_step == 2
    assert digest_files(tmp_path / "stopped" / "adapter") == digest_files(tmp_path / "whole" / "adapter")
    assert digest_files(tmp_path / "stopped" / "curves") == digest_files(tmp_path / "whole" / "curves")
    assert read_training(tmp_path / "whole" / "adapter")["objective"]["kind"] == name


@pytest.mark.parametrize("name", ["reward", "classification", "contrastive"])
def test_a_loaded_adapter_says_what_training_measured(workspace: Path, tmp_path: Path, name: str) -> None:
    inputs, settings = prepared(tmp_path, name)
    report, lane = trained(workspace, inputs, tmp_path, **settings)
    loaded = load_adapter(tmp_path / "adapter", workspace / BASE, device="cpu")
    items: list[Any] = list(lane.validation)
    if name == "reward":
        better, worse = (loaded.outputs([getattr(item, side).ids for item in items], batch_tokens=128)[:, 0] for side in ("better", "worse"))
        loss = (-torch.nn.functional.logsigmoid(better - worse) + 0.01 * (better + worse) ** 2).mean()
    elif name == "classification":
        logits = loaded.outputs([item.ids for item in items], batch_tokens=128)
        assert loaded.labels == ("health", "law", "money")
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([item.label for item in items]))
    else:
        questions, answers = (loaded.embed([getattr(item, side) for item in items], batch_tokens=128) for side in ("question", "answer"))
        worse = loaded.embed([item.worse for item in items], batch_tokens=128)
        assert torch.allclose(questions.norm(dim=-1), torch.ones(len(items)))
        loss = torch.nn.functional.cross_entropy(questions @ torch.cat([answers, worse]).T / 0.05, torch.arange(len(items)))
    assert float(loss) == pytest.approx(report.validation_loss, rel=1e-3)


def test_fine_tuning_says_nothing_of_its_objective(workspace: Path, tmp_path: Path) -> None:
    trained(workspace, write_dataset(tmp_path / "data"), tmp_path, epochs=1)
    assert "objective" not in read_training(tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "head.safetensors").exists()
    loaded = load_adapter(tmp_path / "adapter", workspace / BASE, device="cpu")
    with pytest.raises(InputError, match="has no head"):
        loaded.outputs([[1, 2]], batch_tokens=64)


def chained(workspace: Path, tmp_path: Path, name: str, steps: dict[str, Path], **settings: Any) -> TrainReport:
    """One step of a chain, into a folder of its name."""
    from adapt.adapter.train import train
    from adapt.artifact.progress import QuietProgress

    target = tmp_path / name
    usual = {"batch_tokens": 512, "epochs": 2, "evaluate_every_steps": 2} | settings
    return train(
        section(workspace, **usual), inputs=tmp_path / "data", base=workspace / BASE, out=target / "adapter", curves=target / "curves",
        work=target / "work", progress=QuietProgress(), steps=steps,
    )  # fmt: skip


def test_fine_tuning_a_reward_model_and_ppo_are_chained(workspace: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", pairs(16), pairs(6, first=16))
    sft = chained(workspace, tmp_path, "sft", {})
    chained(workspace, tmp_path, "reward", {"sft": tmp_path / "sft" / "adapter"}, start_from="sft", objective="reward", learning_rate=2e-3)
    objective = {"kind": "ppo", "reward": {"step": "reward"}, "max_new_tokens": 6, "generations": 8, "kl_beta": 0.0}
    steps = {"sft": tmp_path / "sft" / "adapter", "reward": tmp_path / "reward" / "adapter"}
    ppo = chained(workspace, tmp_path, "ppo", steps, start_from="sft", objective=objective, epochs=8)
    assert ppo.validation_loss < ppo.validation_loss_before
    assert sorted(read_provenance(tmp_path / "ppo" / "adapter").inputs) == ["step reward", "step sft", "train", "validation"]
    assert load_file(tmp_path / "ppo" / "adapter" / "head.safetensors")["value"].shape == (1, 64)

    again = chained(workspace, tmp_path, "again", {"sft": tmp_path / "sft" / "adapter"}, start_from="sft", learning_rate=1e-9)
    assert again.validation_loss_before == pytest.approx(sft.validation_loss, rel=1e-5)


@pytest.mark.parametrize("method", ["full", "pfeiffer", "prompt_tuning", "dora", "ia3"])
def test_adapters_of_other_methods_are_trained_further_too(workspace: Path, tmp_path: Path, method: str) -> None:
    write_dataset(tmp_path / "data", pairs(8), pairs(4, first=8))
    rate = {"full": 1e-3}.get(method, 1e-2)
    sft = chained(workspace, tmp_path, "sft", {}, method=method, learning_rate=rate, epochs=1)
    steps = {"sft": tmp_path / "sft" / "adapter"}
    dpo = chained(workspace, tmp_path, "dpo", steps, method=method, start_from="sft", objective="dpo", learning_rate=rate)
    assert dpo.validation_loss_before == pytest.approx(0.6931, abs=1e-4), "the start is its own reference"
    assert dpo.validation_loss < dpo.validation_loss_before
    assert sft.validation_loss is not None


@pytest.mark.parametrize("method", METHOD_CASES)
def test_every_method_learns_preferences(bases: Path, tmp_path: Path, method: str) -> None:
    from adapt.spec.lora import LoraSpec
    from adapt.spec.methods import METHODS

    base = BASES.get(method, "llama")
    lora = LoraSpec(r=4) if "r" in METHODS[method].reads else LoraSpec()
    settings = {"objective": "dpo", "epochs": 2, "batch_tokens": 512, "evaluate_every_steps": 2} | METHOD_CASES[method]
    inputs = write_dataset(tmp_path / "data", pairs(16), pairs(6, first=24))
    report = run(section(bases, base=base, method=method, lora=lora, **settings), bases, inputs, tmp_path, base=base)
    assert report.validation_loss_before == pytest.approx(0.6931, abs=1e-3 if method != "longlora" else 0.05), "the start is its own reference"
    assert report.validation_loss < report.validation_loss_before - 0.01


def test_an_adapter_of_another_shape_is_not_trained_further(workspace: Path, tmp_path: Path) -> None:
    from adapt.spec.lora import LoraSpec

    write_dataset(tmp_path / "data", pairs(8), pairs(4, first=8))
    chained(workspace, tmp_path, "sft", {}, epochs=1)
    with pytest.raises(InputError, match="cannot be trained further: its weights are not those of this method and shape"):
        chained(workspace, tmp_path, "dpo", {"sft": tmp_path / "sft" / "adapter"}, start_from="sft", objective="dpo", lora=LoraSpec(r=8))


def test_a_step_that_trained_no_reward_model_gives_no_rewards(workspace: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", pairs(8), pairs(4, first=8))
    chained(workspace, tmp_path, "sft", {}, epochs=1)
    objective = {"kind": "grpo", "reward": {"step": "sft"}}
    with pytest.raises(InputError, match="step sft trained no reward model"):
        chained(workspace, tmp_path, "grpo", {"sft": tmp_path / "sft" / "adapter"}, objective=objective)


def test_answers_are_drawn_by_their_likelihood_and_alike_for_one_seed(workspace: Path) -> None:
    from collections import Counter

    from adapt.adapter.generation import Sampling, generate
    from adapt.base.load import load_model, load_tokenizer

    model, tokenizer = load_model(workspace / BASE, dtype="float32", device="cpu"), load_tokenizer(workspace / BASE)
    prompts = [[5, 6, 7]] * 400

    def drawn(temperature: float, seed: int) -> list[int]:
        found = generate(model, tokenizer, prompts, max_new_tokens=1, batch_tokens=10_000, end_ids=[2], sampling=Sampling(temperature, seed))
        return [ids[0] if ids else 2 for ids in found]

    before = torch.random.get_rng_state()
    first = drawn(1.0, 3)
    assert first == drawn(1.0, 3)
    assert first != drawn(1.0, 4)
    assert torch.equal(before, torch.random.get_rng_state()), "what is drawn elsewhere does not change"
    whole: Any = model
    with torch.no_grad():
        likely = torch.softmax(whole(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1], -1)
    token, count = Counter(first).most_common(1)[0]
    assert count / 400 == pytest.approx(float(likely[token]), abs=0.08)
    assert len(set(drawn(1e-5, 3))) == 1 < len(set(first))


def rewards_of(function: dict[str, Any], answer: str, record: AlpacaRecord, tokens: int = 3) -> float:
    from pydantic import TypeAdapter

    from adapt.adapter.reward_functions import summed_rewards
    from adapt.spec.objective import RewardFunction

    return summed_rewards([TypeAdapter(RewardFunction).validate_python(function)], answer, tokens, record)


@pytest.mark.parametrize(
    ("function", "good", "bad"),
    [
        ({"kind": "exact_match", "weight": 2}, "the  SUM is\n#### 42", "#### 42"),
        ({"kind": "contains", "texts": ["sum", "42"]}, "42 is the SUM", "42"),
        ({"kind": "regex", "pattern": r"####\s*\d+$"}, "#### 7", "7"),
        ({"kind": "same_match", "pattern": r"####\s*(\d+)"}, "#### 1, no: #### 42", "#### 41"),
        ({"kind": "same_match", "pattern": r"####\s*(\d+)"}, "####42", "none"),
        ({"kind": "json_valid", "keys": ["a"]}, '{"a": 1}', "[1]"),
        ({"kind": "json_valid"}, "[1]", "{"),
        ({"kind": "length", "min_tokens": 2, "max_tokens": 3}, "a b c", None),
    ],
    ids=str,
)
def test_reward_functions_are_worth_their_weight_or_nothing(function: dict[str, Any], good: str, bad: str | None) -> None:
    row = pairs(1)[0].model_copy(update={"output": "The sum is #### 42"})
    assert rewards_of(function, good, row) == function.get("weight", 1)
    assert rewards_of(function, "x" if bad is None else bad, row, tokens=9) == 0
