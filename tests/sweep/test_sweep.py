"""`adapt sweep` on a tiny model: trials, comparison, experiments, and the winner in the spec."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.workspace import run, tiny_workspace

GIT = ("git", "-c", "user.name=someone", "-c", "user.email=someone@example.org")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tiny_workspace(tmp_path_factory.mktemp("sweep") / "w", ("alpha",), exports=False)
    run(root, "adapt", "build", "alpha", "--to", "dataset")
    return root


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


def test_a_setting_that_is_not_valid_is_said_before_anything_is_trained(made: Path) -> None:
    done = run(made, "adapt", "sweep", "alpha", "-S", "lora.r=2,-1", check=False)
    assert done.returncode == 1
    assert "lora.r" in done.stderr
    assert "Traceback" not in done.stderr


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
