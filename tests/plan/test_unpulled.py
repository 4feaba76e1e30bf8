"""A clone with a remote in which nothing was pulled: what was built elsewhere is told of before it is built anew."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from adapt.plan.unpulled import find_unpulled, unpulled_message
from adapt.plan.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A DVC repository whose lock file names two outputs as DVC itself recorded them, both only in the remote."""
    root = tmp_path / "here"
    (root / "adapters").mkdir(parents=True)

    def dvc(*arguments: str) -> None:
        subprocess.run([sys.executable, "-P", "-m", "dvc", *arguments], cwd=root, check=True, capture_output=True)

    dvc("init", "--no-scm")
    dvc("remote", "add", "--default", "store", str(tmp_path / "remote"))
    stages = {}
    for name in ("alpha", "beta"):
        command = f"mkdir -p adapters/{name} && echo {name} > adapters/{name}/weights"
        stages[f"train@{name}"] = {"cmd": command, "outs": [f"adapters/{name}"]}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {name.replace("@", "-"): stage for name, stage in stages.items()}}))
    dvc("repro")
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    lock["stages"] = {name.replace("-", "@"): stage for name, stage in lock["stages"].items()}
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    return Workspace(root)


def remove_outputs(workspace: Workspace) -> None:
    subprocess.run(["rm", "-r", "adapters/alpha", "adapters/beta"], cwd=workspace.root, check=True)


def test_outputs_that_are_here_or_in_the_cache_are_not_told_of(workspace: Workspace) -> None:
    assert find_unpulled(workspace, ["alpha", "beta"]) == []
    remove_outputs(workspace)
    assert find_unpulled(workspace, ["alpha", "beta"]) == [], "the cache restores them"


def test_what_only_a_remote_can_have_is_told_of(workspace: Workspace) -> None:
    remove_outputs(workspace)
    subprocess.run(["rm", "-r", ".dvc/cache"], cwd=workspace.root, check=True)
    assert find_unpulled(workspace, ["alpha"]) == ["train@alpha"]
    found = find_unpulled(workspace, ["alpha", "beta"])
    assert found == ["train@alpha", "train@beta"]
    assert unpulled_message(found) == (
        "outputs of train@alpha, train@beta are recorded in dvc.lock and not here: `dvc pull` fetches them, a build makes them anew"
    )
    subprocess.run([sys.executable, "-P", "-m", "dvc", "remote", "remove", "store"], cwd=workspace.root, check=True, capture_output=True)
    assert find_unpulled(workspace, ["alpha", "beta"]) == [], "nowhere to pull from"
