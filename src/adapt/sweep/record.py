"""Trials as DVC experiments, so that `dvc exp show`, `dvc exp apply` and `dvc plots diff` know them.

For each trial the spec gets its settings, the trained adapter is put where its stage looks for it, and `dvc exp run` runs what follows. The spec and
the outputs of the workspace are then as they were.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from adapt.adapter.ahead import FOLDER
from adapt.errors import WorkspaceError
from adapt.plan.repro import environment
from adapt.plan.workspace import Workspace
from adapt.sweep.trials import Trial, Trials


def obstacle(workspace: Workspace) -> str | None:
    """Why experiments cannot be recorded here, or None."""
    if subprocess.run(["git", "rev-parse", "--verify", "--quiet", "HEAD"], cwd=workspace.root, capture_output=True, check=False).returncode != 0:
        return "the workspace is in no git repository with a commit"
    return None


def record(workspace: Workspace, runner: Trials, trials: Sequence[Trial], *, to: str) -> list[str]:
    """Record the trials that ended, each up to its stage of kind `to`; returns the experiments' names. Raises WorkspaceError when DVC fails."""
    name, names = runner.name, []
    spec = workspace.spec(name)
    with _as_before(workspace, name):
        for trial in trials:
            if trial.outcome != "done":
                continue
            training = runner.training(trial.settings)
            ahead = workspace.work(f"train@{name}") / FOLDER
            shutil.rmtree(ahead, ignore_errors=True)
            shutil.copytree(training.work / FOLDER, ahead)
            spec.write_text(runner.text(trial.settings), encoding="utf-8")
            names.append(_run(workspace, f"sweep-{name}-{training.work.name[:8]}", f"{to}@{name}"))
    return names


@contextmanager
def _as_before(workspace: Workspace, name: str) -> Iterator[None]:
    """Give spec, dvc.lock and metrics their present content again at the end, and the outputs that of dvc.lock; remove what had not been built."""
    kept = {
        path: path.read_bytes() if path.exists() else None for path in (workspace.spec(name), workspace.root / "dvc.lock", workspace.metrics(name))
    }
    outs = [workspace.adapter(name), workspace.curves(name), workspace.evaluation(name)]
    built = [out for out in outs if out.exists()]
    try:
        yield
    finally:
        for path, content in kept.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        for out in outs:
            if out not in built:
                shutil.rmtree(out, ignore_errors=True)
        if built:
            _dvc(workspace, "checkout", "--force", *(workspace.shown(out) for out in built))


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
