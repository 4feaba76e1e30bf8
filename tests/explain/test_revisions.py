"""Data sets of other revisions, through git and DVC's cache."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapt.errors import InputError
from adapt.explain.diff import diff
from adapt.explain.outputs import Outputs
from adapt.explain.revisions import dataset_at, is_folder
from tests.explain.conftest import make, rows

DATASET = Path("data/dataset/faq")


def run(root: Path, *command: str) -> None:
    names = {f"GIT_{role}_{part}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    subprocess.run(command, cwd=root, check=True, capture_output=True, env={**os.environ, **names, "DVC_NO_ANALYTICS": "1"})


@pytest.fixture(scope="module")
def repository(built: Outputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the data set of `built` committed, and one that is built with other rules in the workspace."""
    root = tmp_path_factory.mktemp("revisions") / "repository"
    shutil.copytree(built.dataset, root / DATASET)
    dvc = (sys.executable, "-m", "dvc")
    for command in (
        ("git", "init", "-q"),
        (*dvc, "init", "-q"),
        (*dvc, "add", "-q", str(DATASET)),
        ("git", "add", "-A"),
        ("git", "commit", "-qm", "one"),
    ):
        run(root, *command)
    other = make(root.parent / "other", rows(), lengths={"max_record_tokens": 60})
    shutil.rmtree(root / DATASET)
    shutil.copytree(other.dataset, root / DATASET)
    return root


def test_a_commit_is_compared_with_the_workspace(repository: Path) -> None:
    with dataset_at(repository, DATASET, "HEAD") as before, dataset_at(repository, DATASET, "workspace") as after:
        changes = diff(before, after)
    assert {(change.kind, change.cause) for change in changes if change.kind != "moved"} == {("lost", "too_long")}


def test_git_is_asked_before_a_folder_of_the_same_name(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(repository, "git", "branch", "try")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "try").mkdir()
    assert not is_folder(repository, "try")
    assert is_folder(repository, "./try")
    assert is_folder(tmp_path, "try")
    with dataset_at(repository, DATASET, "try") as folder:
        assert (folder / "verdicts.parquet").is_file()


def test_an_unknown_revision_is_an_error(repository: Path) -> None:
    with pytest.raises(InputError, match="'no-such-tag' is no revision"), dataset_at(repository, DATASET, "no-such-tag"):
        pass


def test_a_set_that_the_revision_did_not_have_is_an_error(repository: Path) -> None:
    with pytest.raises(InputError, match="data/dataset/other cannot be had at 'HEAD'"), dataset_at(repository, Path("data/dataset/other"), "HEAD"):
        pass


def test_outputs_that_left_the_cache_are_an_error_that_says_how_to_get_them(repository: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(repository, tmp_path / "copy"))
    shutil.rmtree(root / ".dvc" / "cache")
    with pytest.raises(InputError, match="dvc fetch"), dataset_at(root, DATASET, "HEAD"):
        pass
