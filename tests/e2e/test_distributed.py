"""Training in several processes, as `adapt build` starts them, and ahead of it with torchrun, as on several machines."""

import json
import sys
from pathlib import Path

import pytest

from tests.workspace import PARAMS, run, tiny_workspace

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """One spec, whose data set is built and whose training runs in two processes."""
    root = tiny_workspace(tmp_path / "w", ("alpha",), exports=False)
    distributed = "train: {distributed: {strategy: ddp, processes: 2}, accumulate: 2, "
    (root / "params.yaml").write_text(PARAMS.replace("train: {", distributed), encoding="utf-8")
    return root


def figures(root: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((root / ".adapt" / "runs" / "train@alpha.json").read_text())["figures"]
    return found


def test_a_build_starts_the_processes_and_finds_what_torchrun_trained_ahead(workspace: Path) -> None:
    run(workspace, "adapt", "build", "alpha")
    trained = (workspace / "adapters" / "alpha" / "adapter_model.safetensors").read_bytes()
    run(workspace, "rm", "-r", "adapters", "dvc.lock", ".dvc/cache/runs")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    refused = run(workspace, *torchrun, "-m", "adapt.cli", "stage", "train", "alpha", check=False)
    assert "let them run `adapt cotrain train@alpha`" in refused.stderr
    run(workspace, *torchrun, "-m", "adapt.cli", "cotrain", "train@alpha")
    report = workspace / ".adapt" / "work" / "train@alpha" / "ahead" / "report.json"
    report.write_text(json.dumps({**json.loads(report.read_text()), "tokens_per_second": 123456.0}), encoding="utf-8")
    run(workspace, "adapt", "build", "alpha")
    assert figures(workspace)["tokens_per_second"] == 123456.0  # taken, not trained again
    assert (workspace / "adapters" / "alpha" / "adapter_model.safetensors").read_bytes() == trained
