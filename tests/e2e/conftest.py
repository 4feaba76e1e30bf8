import shutil
from pathlib import Path

import pytest

from tests.workspace import run, tiny_workspace


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two adapters, built once. Do not change it: take `workspace`."""
    root = tiny_workspace(tmp_path_factory.mktemp("e2e") / "a workspäce")
    run(root, "adapt", "build", "--all")
    return root


@pytest.fixture
def workspace(built: Path, tmp_path: Path) -> Path:
    """A copy of the built workspace, cache included, to change at will."""
    return Path(shutil.copytree(built, tmp_path / "a workspäce", symlinks=True))
