"""`adapt sweep` on a tiny model: trials, comparison, experiments, and the winner in the spec."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapt.adapter.load import load_adapter
from adapt.adapter.methods.frozen import Base
from adapt.cli.main import adapt
from adapt.errors import AdaptError
from adapt.records import AlpacaRecord
from adapt.spec.prompt import PinnedPrompt
from tests.adapter.own import own_loss
from tests.workspace import run, tiny_workspace

GIT = ("git", "-c", "user.name=someone", "-c", "user.email=someone@example.org")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tiny_workspace(tmp_path_factory.mktemp("sweep") / "w", ("alpha",), exports=False)
    run(root, "adapt", "build", "alpha", "--to", "dataset")
    return root


@pytest.fixture(scope="module")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_workspace(tmp_path_factory.mktemp("bare") / "w", ("alpha",), exports=False)


@pytest.fixture
def bare(unbuilt: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which nothing is built, and the current folder."""
    monkeypatch.chdir(unbuilt)
    return unbuilt


def test_a_grid_is_trained_compared_and_not_trained_twice(made: Path) -> None:
    command = ("adapt", "sweep", "alpha", "-S", "lora.r=2,4", "-S", "train.learning_rate=1e-6,2e-2")
    first = run(made, *command)
    assert "not recorded as experiments: the workspace is in no git repository with a commit" in first.stderr
    report = json.loads((made / "sweeps" / "alpha" / "report.json").read_text())
    losses = [trial["validation_loss"] for trial in report["trials"]]
    assert losses == sorted(losses)
    assert report["trials"][0]["settings"]["train.learning_rate"] == 2e-2  # the other rate hardly learns
    assert {trial["number"] for trial in report["trials"]} == {1, 2, 3, 4}
    assert "1: lora.r=2" in (made / "sweeps" / "alpha" / "losses.svg").read_text()
    folders = sorted(path.stat().st_mtime_ns for path in (made / ".adapt" / "sweeps" / "alpha").glob("*/ahead/adapter/manifest.json"))
    again = run(made, *command)
    assert again.stdout == first.stdout
    assert sorted(path.stat().st_mtime_ns for path in (made / ".adapt" / "sweeps" / "alpha").glob("*/ahead/adapter/manifest.json")) == folders


def refusal(*arguments: str) -> str:
    """What the command says, which must be one of the project's own errors."""
    found = CliRunner().invoke(adapt, arguments).exception
    assert isinstance(found, AdaptError), found
    return str(found)


@pytest.mark.parametrize(
    ("assignments", "said"),
    [
        (
            ["lora.rank=4,8"],
            "-S lora.rank: unknown field 'rank'; allowed: lora_alpha, lora_dropout, r, target_modules, use_rslora\nhint: did you mean 'r'?",
        ),
        (["lora.target_modules=[q_proj],[q_porj]"], "-S lora.target_modules: 'q_porj' names no linear module of the base model"),
        (["train.method=lora,bitfit"], "train.method bitfit trains biases"),
        (["train.lr=1e-4,1e-3"], "-S train.lr: unknown field 'lr'"),
        (["lora.r=2,-1"], "-S lora.r: -1: must be 1 or more"),
        (["lora.r=int(400,600)"], "-S lora.r: 600: must be 512 or less"),
        (["train.learning_rate=1e-3,2"], "-S train.learning_rate: 2: must be less than 1"),
        (["train.schedule=cosine,cosin"], "hint: did you mean 'cosine'?"),
        (["train.decay_ratio=0.1,0.2"], "decay_ratio is set, and schedule cosine does not read it"),
        (["train.method=lora,bottleneck"], "'bottleneck' is not a method"),
        (["train.max_length_tokens=64,1024"], "train.max_length_tokens leaves other validation records out"),
        (["train.max_length_tokens=64,1024"], "--metric answer_loss"),
    ],
)
def test_what_no_trial_could_be_is_said_before_anything_is_built(bare: Path, assignments: list[str], said: str) -> None:
    trials = ["--trials", "2"] if "(" in assignments[0] else []
    assert said in refusal("sweep", "alpha", *(f"-S{one}" for one in assignments), *trials)
    assert not (bare / "data" / "corpus").exists()


@pytest.mark.parametrize(
    ("objective", "setting", "metric"),
    [
        ("dpo", "train.objective.beta=0.1,0.5", "answer_loss or --metric preference_accuracy"),
        ("dpo", "train.objective.label_smoothing=0,0.1", "preference_accuracy"),
        ("kto", "train.batch_tokens=256,512", "preference_accuracy"),
        ("contrastive", "train.objective.temperature=0.05,0.1", "mrr"),
        ("contrastive", "train.packing=packed,padded", "mrr"),
        ("reward", "train.objective.centre_weight=0,0.1", "reward_accuracy"),
        ("dpo", "train.objective=dpo,sft", "answer_loss"),
    ],
)
def test_losses_that_settings_define_are_not_ranked(bare: Path, objective: str, setting: str, metric: str) -> None:
    spec = bare / "specs" / "alpha.yaml"
    before = spec.read_text()
    spec.write_text(f"dataset: {{form: preference}}\ntrain: {{objective: {objective}}}\nexport: {{}}\nserving: {{enabled: false}}\n")
    try:
        found = refusal("sweep", "alpha", "-S", setting)
    finally:
        spec.write_text(before)
    assert f"cannot be ranked by their validation losses: {setting.partition('=')[0]}" in found
    assert f"--metric {metric}" in found


@pytest.mark.slow
def test_another_metric_ranks_by_the_records_that_every_trial_reads(made: Path) -> None:
    """Held against transformers' own loss of the merged adapters."""
    lines = (made / "data" / "dataset" / "alpha" / "validation.jsonl").read_text().splitlines()
    records = [AlpacaRecord.model_validate_json(line) for line in lines]
    base = made / "models" / "tiny"
    prompt = Base(base).prompt(PinnedPrompt(kind="model"))
    limit = sorted(prompt.encode(record).length for record in records)[len(records) // 2]
    settings = ("-S", f"train.max_length_tokens={limit},1024", "-S", "train.label_smoothing=0,0.3")
    done = run(made, "adapt", "sweep", "alpha", *settings, "--metric", "answer_loss", "--no-record", "--json")
    trials = json.loads(done.stdout)["trials"]
    assert [trial["score"] for trial in trials] == sorted(trial["score"] for trial in trials)
    assert len({trial["validation_records"] for trial in trials}) == 2, "the limit does leave records out"
    found = {}
    for folder in (made / ".adapt" / "sweeps" / "alpha").glob("*/ahead/adapter"):
        loaded = load_adapter(folder, base, dtype="float32", device="cpu")
        examples = [one for record in records if (one := loaded.prompt.encode(record)).length <= limit]
        found[folder] = own_loss(loaded.merge(), examples)
    for trial in trials:
        assert any(trial["score"] == pytest.approx(loss, rel=1e-4) for loss in found.values())


def test_a_range_needs_a_number_of_trials(made: Path) -> None:
    done = run(made, "adapt", "sweep", "alpha", "-S", "lora.r=int(1,8)", check=False)
    assert (done.returncode, "--trials is not given" in done.stderr) == (1, True)


@pytest.mark.slow
def test_a_search_tries_as_many_as_asked(made: Path) -> None:
    done = run(made, "adapt", "sweep", "alpha", "-S", "train.learning_rate=log(1e-4,5e-2)", "--trials", "3", "--at-once", "2", "--json")
    trials = json.loads(done.stdout)["trials"]
    assert len(trials) == 3
    assert len({trial["settings"]["train.learning_rate"] for trial in trials}) == 3


def test_trials_become_experiments_and_the_winner_is_written_with_comments_kept(made: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run([*GIT, *arguments], cwd=made, check=True, capture_output=True)

    spec = made / "specs" / "alpha.yaml"
    spec.write_text("# of the alpha team\n" + spec.read_text())
    git("init", "--quiet")
    config = made / ".dvc" / "config"
    config.write_text(config.read_text().replace("no_scm = True", "no_scm = False"))
    (made / ".gitignore").write_text("/.adapt/\n/adapters/\n/build/\n/data/corpus/\n/data/dataset/\n/training/\n/sweeps/\n/models/\n")
    git("add", "-A")
    git("commit", "--quiet", "-m", "workspace")
    before = spec.read_text()
    done = run(made, "adapt", "sweep", "alpha", "-S", "lora.r=2,4", "--to", "train", "--json")
    found = json.loads(done.stdout)
    assert len(found["experiments"]) == 2
    assert spec.read_text() == before
    shown = json.loads(run(made, "dvc", "exp", "show", "--json").stdout)
    names = json.dumps(shown)
    assert all(name in names for name in found["experiments"])
    ranks = {run(made, "git", "show", f"{ref}:specs/alpha.yaml").stdout.partition("r: ")[2][:1] for ref in _refs(made)}
    assert ranks == {"2", "4"}
    run(made, "adapt", "sweep", "alpha", "-S", "lora.r=2,4", "--no-record", "--write")
    assert spec.read_text().startswith("# of the alpha team\n")
    assert f"r: {found['trials'][0]['settings']['lora.r']}" in spec.read_text()


def _refs(root: Path) -> list[str]:
    listed = run(root, "git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    return [ref for ref in listed if "sweep-alpha" in ref]
