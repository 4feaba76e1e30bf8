"""Fine-tuning, a reward model and PPO in one spec: each a stage of its own, cached on its own."""

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.e2e.test_rebuilds import build, ran, status
from tests.workspace import NOUNS, VERBS, run, tiny_workspace

SPEC = """\
dataset: {form: preference}
steps:
  sft: {train: {objective: sft}}
  reward: {train: {objective: {kind: reward, centre_weight: 0.01}, start_from: sft, learning_rate: 0.002}}
train:
  start_from: sft
  epochs: 1
  objective: {kind: ppo, reward: {step: reward}, max_new_tokens: 4}
evaluate: {gates: [{metric: mean_reward, minimum: -100}]}
"""
TRAININGS = {"step@alpha-sft", "step@alpha-reward", "train@alpha"}
AFTER = {"evaluate@alpha", "gate@alpha"}

pytestmark = pytest.mark.slow


def preferences(count: int) -> str:
    """JSON lines of unlike questions with a better and a worse answer."""
    rng = random.Random("preferences")
    lines = []
    for number in range(count):
        words = [f"the {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)}" for _ in range(6)]
        lines.append({"prompt": f"What happens in case {number} of {rng.choice(NOUNS)}?", "chosen": f"In that case {' and '.join(words[:3])}.",
                      "rejected": f"Nobody knows, but {' or '.join(words[3:])}."})  # fmt: skip
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built workspace of one chained adapter. Do not change it: take `workspace`."""
    root = tiny_workspace(tmp_path_factory.mktemp("chain") / "w", ("alpha",), exports=False)
    (root / "data" / "raw" / "alpha" / "faq.jsonl").write_text(preferences(40), encoding="utf-8")
    (root / "specs" / "alpha.yaml").write_text(SPEC, encoding="utf-8")
    run(root, "adapt", "sync")
    assert ran(build(root, "--all")) >= TRAININGS | AFTER
    return root


@pytest.fixture
def workspace(chain: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain, tmp_path / "w", symlinks=True))


def write(root: Path, old: str, new: str) -> None:
    assert old in SPEC
    (root / "specs" / "alpha.yaml").write_text(SPEC.replace(old, new), encoding="utf-8")


def test_each_training_leaves_its_own_adapter(chain: Path) -> None:
    kinds = {}
    for folder in (chain / "steps" / "alpha" / "sft", chain / "steps" / "alpha" / "reward", chain / "adapters" / "alpha"):
        told = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        kinds[folder.name] = told.get("objective", {}).get("kind", "sft")
    assert kinds == {"sft": "sft", "reward": "reward", "alpha": "ppo"}
    assert (chain / "training-steps" / "alpha" / "sft" / "plots").is_dir()
    assert set(json.loads((chain / "metrics" / "alpha.json").read_text())["adapter"]) >= {"mean_reward", "perplexity"}
    assert run(chain, "adapt", "build", "--all").stdout == "all up to date\n"
    assert run(chain, "adapt", "status").stdout.endswith("all up to date\n")


def test_a_setting_of_the_reward_model_rebuilds_it_and_ppo_and_not_fine_tuning(workspace: Path) -> None:
    write(workspace, "centre_weight: 0.01", "centre_weight: 0.5")
    found = {row["stage"]: (row["state"], row["reasons"]) for row in status(workspace)}
    assert found["step@alpha-sft"][0] == "up to date"
    assert found["step@alpha-reward"] == ("stale", ["train.objective.centre_weight: 0.01 -> 0.5"])
    assert found["train@alpha"] == ("waiting", ["after step@alpha-reward"])
    assert TRAININGS & ran(build(workspace, "--all")) == {"step@alpha-reward", "train@alpha"}


def states(root: Path) -> dict[str, str]:
    """What `adapt status` says of each training."""
    return {row["stage"]: row["state"] for row in status(root) if row["stage"] in TRAININGS}


def test_a_setting_of_fine_tuning_makes_the_whole_chain_stale_and_one_of_ppo_ppo_alone(workspace: Path) -> None:
    write(workspace, "sft: {train: {objective: sft}}", "sft: {train: {objective: sft, epochs: 1}}")
    assert states(workspace) == {"step@alpha-sft": "stale", "step@alpha-reward": "waiting", "train@alpha": "waiting"}
    write(workspace, "max_new_tokens: 4", "max_new_tokens: 5")
    assert states(workspace) == {"step@alpha-sft": "up to date", "step@alpha-reward": "up to date", "train@alpha": "stale"}


def test_steps_that_are_gone_are_pruned(workspace: Path) -> None:
    (workspace / "specs" / "alpha.yaml").write_text("dataset: {form: preference}\n", encoding="utf-8")
    run(workspace, "adapt", "sync")
    shown = run(workspace, "adapt", "prune", "--dry-run").stdout
    assert "would remove steps/alpha/reward" in shown
    assert "would remove training-steps/alpha/sft" in shown
    run(workspace, "adapt", "prune")
    assert not list((workspace / "steps").glob("*/*"))
    assert "step@alpha" not in (workspace / "dvc.lock").read_text(encoding="utf-8")
