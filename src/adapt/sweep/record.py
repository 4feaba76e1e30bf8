"""Trials as DVC experiments, so that `dvc exp show`, `dvc exp apply` and `dvc plots diff` know them.

For each trial the spec gets its settings, the trained adapter is put where its stage looks for it, and `dvc exp run` runs what follows. The spec and
the outputs of the workspace are then as they were.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from adapt.errors import WorkspaceError
from adapt.plan.repro import environment
from adapt.plan.workspace import Workspace
from adapt.sweep.trials import Trial, Trials

FOLDER = "ahead"


def obstacle(workspace: Workspace) -> str | None:
    """Why experiments cannot be recorded here, or None."""
    if subprocess.run(["git", "rev-parse", "--verify", "--quiet", "HEAD"], cwd=workspace.root, capture_output=True, check=False).returncode != 0:
        return "the workspace is in no git repository with a commit"
    return None


def record(workspace: Workspace, name: str, runner: Trials, trials: Sequence[Trial], *, to: str) -> list[str]:
    """Record the trials that ended, each up to its stage of kind `to`; returns the experiments' names. Raises WorkspaceError when DVC fails."""
    spec, names = workspace.spec(name), []
    with _kept(spec):
        for trial in trials:
            if trial.outcome != "done":
                continue
            training = runner.training(trial.settings)
            ahead = workspace.work(f"train@{name}") / FOLDER
            shutil.rmtree(ahead, ignore_errors=True)
            shutil.copytree(training.work / FOLDER, ahead)
            spec.write_text(runner.text(trial.settings), encoding="utf-8")
            names.append(_run(workspace, f"sweep-{name}-{training.work.name[:8]}", f"{to}@{name}"))
    _dvc(workspace, "repro", f"{to}@{name}")
    return names


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Give the file its present content again at the end."""
    content = path.read_bytes()
    try:
        yield
    finally:
        path.write_bytes(content)


def _run(workspace: Workspace, experiment: str, stage: str) -> str:
    with suppress(WorkspaceError):  # there is none of an earlier sweep
        _dvc(workspace, "exp", "remove", experiment)
    _dvc(workspace, "exp", "run", "--name", experiment, stage)
    return experiment


def _dvc(workspace: Workspace, *arguments: str) -> None:
    command = [sys.executable, "-P", "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=workspace.root, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        complaint = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), f"exit code {done.returncode}")
        raise WorkspaceError(f"`dvc {' '.join(arguments)}` failed: {complaint}", hint="run it by hand to see all that it says")
