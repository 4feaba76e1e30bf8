"""What a stage left before, read back from what DVC itself wrote."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from adapt.plan.former import read_former
from adapt.plan.stages import Stage
from adapt.plan.workspace import Workspace
from tests.workspace import run

PIPELINE = """\
stages:
  train:
    foreach: [alpha]
    do:
      cmd: >-
        mkdir -p adapters/alpha && echo '{"threads": 3}' > adapters/alpha/training.json && echo x > adapters/alpha/weights
      outs: [adapters/alpha]
"""


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_former_output_is_read_from_the_cache_after_the_folder_is_gone(tmp_path: Path, elsewhere: bool) -> None:
    (tmp_path / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    run(tmp_path, sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm")
    if elsewhere:
        run(tmp_path, sys.executable, "-m", "dvc", "cache", "dir", "--quiet", "../a shared cache")
    workspace, stage = Workspace(tmp_path), Stage("train", "alpha")
    assert read_former(workspace, stage, "training.json") is None
    run(tmp_path, sys.executable, "-m", "dvc", "repro", "--quiet")
    shutil.rmtree(tmp_path / "adapters")
    assert (tmp_path.parent / "a shared cache").exists() == elsewhere
    assert json.loads(read_former(workspace, stage, "training.json") or b"") == {"threads": 3}
    assert read_former(workspace, stage, "nothing.json") is None
    assert read_former(workspace, Stage("train", "beta"), "training.json") is None
    shutil.rmtree(tmp_path.parent / "a shared cache" if elsewhere else tmp_path / ".dvc" / "cache")
    assert read_former(workspace, stage, "training.json") is None
