"""A clone with a remote in which nothing was pulled: what was built elsewhere is told of before it is built anew."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from adapt.errors import WorkspaceError
from adapt.plan.unpulled import find_unpulled, pull, unpulled_message
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec

NAMES = ("alpha", "a-b")
SPECS = {name: AdapterSpec() for name in NAMES}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A DVC repository whose lock file names two outputs as DVC itself recorded them, both only in the remote."""
    root = tmp_path / "here"
    (root / "adapters").mkdir(parents=True)

    def dvc(*arguments: str) -> None:
        subprocess.run([sys.executable, "-P", "-m", "dvc", *arguments], cwd=root, check=True, capture_output=True)

    dvc("init", "--no-scm")
    dvc("remote", "add", "--default", "store", str(tmp_path / "remote"))
    command = "mkdir -p adapters/${item} && echo ${item} > adapters/${item}/weights"
    train = {"foreach": list(NAMES), "do": {"cmd": command, "outs": ["adapters/${item}"]}}
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": train}}))
    dvc("repro")
    dvc("push")
    return Workspace(root)


def remove_outputs(workspace: Workspace) -> None:
    subprocess.run(["rm", "-r", "adapters/alpha", "adapters/a-b"], cwd=workspace.root, check=True)


def test_outputs_that_are_here_or_in_the_cache_are_not_told_of(workspace: Workspace) -> None:
    assert find_unpulled(workspace, SPECS) == []
    remove_outputs(workspace)
    assert find_unpulled(workspace, SPECS) == [], "the cache restores them"


def test_what_only_a_remote_can_have_is_told_of(workspace: Workspace) -> None:
    remove_outputs(workspace)
    subprocess.run(["rm", "-r", ".dvc/cache"], cwd=workspace.root, check=True)
    assert find_unpulled(workspace, {"alpha": AdapterSpec()}) == ["train@alpha"]
    found = find_unpulled(workspace, SPECS)
    assert found == ["train@alpha", "train@a-b"]
    assert unpulled_message(found) == (
        "outputs of train@alpha, train@a-b are recorded in dvc.lock and not here: `adapt build --pull` fetches them (as `dvc pull` does), "
        "a build without it makes them anew"
    )
    subprocess.run([sys.executable, "-P", "-m", "dvc", "remote", "remove", "store"], cwd=workspace.root, check=True, capture_output=True)
    assert find_unpulled(workspace, SPECS) == [], "nowhere to pull from"


def test_pulling_brings_the_outputs_and_says_what_the_remote_lacks(workspace: Workspace, tmp_path: Path) -> None:
    remove_outputs(workspace)
    subprocess.run(["rm", "-r", ".dvc/cache"], cwd=workspace.root, check=True)
    pull(workspace, find_unpulled(workspace, SPECS))
    assert [(workspace.adapter(name) / "weights").read_text() for name in NAMES] == ["alpha\n", "a-b\n"]
    assert find_unpulled(workspace, SPECS) == []
    remove_outputs(workspace)
    subprocess.run(["rm", "-r", ".dvc/cache", str(tmp_path / "remote")], cwd=workspace.root, check=True)
    with pytest.raises(WorkspaceError, match="the outputs of 1 stages could not be pulled"):
        pull(workspace, ["train@a-b"])
