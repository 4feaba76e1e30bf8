"""`adapt build` trains stale adapters together, and DVC's stages find them; each is what it would have been alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workspace import PARAMS, run, tiny_workspace, tree

TRAIN = ("adapt", "build", "--all", "--to", "train")
"""What is measured and exported of an adapter does not ask how it was trained."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose data sets are built. Do not change it: take `workspace`."""
    root = tiny_workspace(tmp_path_factory.mktemp("cotraining") / "w", exports=False)
    run(root, "adapt", "build", "--all", "--to", "dataset")
    return root


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "w", symlinks=True))


def ahead(root: Path, name: str) -> Path:
    return root / ".adapt" / "work" / f"train@{name}" / "ahead"


def test_adapters_trained_together_have_the_bytes_of_those_trained_one_after_another(workspace: Path) -> None:
    done = run(workspace, *TRAIN)
    assert "training 2 adapters together: train@alpha, train@beta" in done.stderr
    assert not ahead(workspace, "alpha").exists()
    together = tree(workspace)
    run(workspace, "dvc", "gc", "--workspace", "--force")
    run(workspace, "rm", "-r", "adapters", "training", ".dvc/cache/runs", "dvc.lock")
    alone = run(workspace, *TRAIN, "--at-once", "1")
    assert "together" not in alone.stderr
    assert "running train@alpha" in alone.stderr
    assert tree(workspace) == together


@pytest.mark.slow
def test_what_was_trained_before_a_kill_is_used_and_the_rest_is_trained(workspace: Path) -> None:
    longer = (workspace / "specs" / "beta.yaml").read_text(encoding="utf-8") + "train: {epochs: 60, patience: null}\n"
    (workspace / "specs" / "beta.yaml").write_text(longer, encoding="utf-8")
    run(workspace, "adapt", "stage", "resolve")
    command = [sys.executable, "-m", "adapt.cli", "cotrain", "train@alpha", "train@beta"]
    process = subprocess.Popen(command, cwd=workspace, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    report = ahead(workspace, "alpha") / "report.json"
    deadline = time.monotonic() + 300
    while not report.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert report.exists()
    assert not (ahead(workspace, "beta") / "adapter").exists()
    marked = {**json.loads(report.read_text()), "tokens_per_second": 123456.0}
    report.write_text(json.dumps(marked), encoding="utf-8")
    run(workspace, *TRAIN)
    figures = {name: json.loads((workspace / ".adapt" / "runs" / f"train@{name}.json").read_text())["figures"] for name in ("alpha", "beta")}
    assert figures["alpha"]["tokens_per_second"] == 123456.0  # taken, not trained again
    assert figures["beta"]["tokens_per_second"] != 123456.0
    assert run(workspace, *TRAIN).stdout.startswith("up to date as far as train")


@pytest.mark.slow
def test_an_adapter_trained_ahead_of_a_change_is_not_used(workspace: Path) -> None:
    run(workspace, "adapt", "cotrain", "train@alpha")
    assert (ahead(workspace, "alpha") / "adapter" / "manifest.json").is_file()
    (workspace / "params.yaml").write_text(PARAMS.replace("lora: {r: 4}", "lora: {r: 2}"), encoding="utf-8")
    run(workspace, "adapt", "build", "alpha", "--to", "train")
    assert json.loads((workspace / "adapters" / "alpha" / "adapter_config.json").read_text())["r"] == 2


@pytest.mark.slow
def test_one_that_fails_says_so_once_and_the_others_are_built(workspace: Path) -> None:
    bad = (workspace / "specs" / "beta.yaml").read_text(
        encoding="utf-8"
    ) + "train: {learning_rate: 0.9, max_grad_norm: 1.0e+30, weight_decay: 1.0e+30}\n"
    (workspace / "specs" / "beta.yaml").write_text(bad, encoding="utf-8")
    done = run(workspace, *TRAIN, "--json", check=False)
    outcomes = {stage["stage"]: stage["outcome"] for stage in json.loads(done.stdout)["stages"]}
    assert done.returncode == 1
    assert outcomes["train@alpha"] == "ran"
    assert outcomes["train@beta"] == "failed"
    assert "training stopped at step" in done.stderr
    assert "Traceback" not in done.stderr
