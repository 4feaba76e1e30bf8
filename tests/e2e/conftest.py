import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tests.workspace import run, tiny_workspace


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two adapters, built once for all processes of the test run. Do not change it: take `workspace`."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    root, done = shared / "e2e" / "a workspäce", shared / "e2e" / "built"
    with FileLock(shared / "e2e.lock"):
        if not done.exists():
            shutil.rmtree(shared / "e2e", ignore_errors=True)  # of a process that failed
            tiny_workspace(root)
            run(root, "adapt", "build", "--all")
            done.touch()
    return root


@pytest.fixture
def workspace(built: Path, tmp_path: Path) -> Path:
    """A copy of the built workspace, cache included, to change at will."""
    return Path(shutil.copytree(built, tmp_path / "a workspäce", symlinks=True))
