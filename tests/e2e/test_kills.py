"""Builds that are killed half-way, or run twice at once: the next build ends with the bytes of an undisturbed one."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workspace import run, tiny_workspace, tree

STAGES = {
    "corpus alpha": "data/corpus/alpha",
    "dataset alpha": "data/dataset/alpha",
    "train alpha": "adapters/alpha",
    "evaluate alpha": "evaluation/alpha",
    "gate alpha": "build/gates/alpha",
    "export alpha-merged": "exports/alpha/merged",
    "serving": "dist/vllm",
}
"""What `adapt stage` is given, and the folder that the stage makes."""
STALL = """
import os, pathlib, sys, time
rename = pathlib.Path.rename
def stalling(self, target):
    command = pathlib.Path("/proc/self/cmdline").read_bytes().replace(b"\\0", b" ").decode()
    if ".staging-" in self.name and f"stage {os.environ['STALLED']}" in command:
        time.sleep(60)
    return rename(self, target)
pathlib.Path.rename = stalling
"""
"""Put before everything else in a process, this stops a stage when its output is complete but not yet in place: the worst moment for a kill."""


def processes(root: Path) -> dict[int, str]:
    """Command lines of every process that works in `root`."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve() == root and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def start(root: Path, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **variables}
    adapt = str(Path(sys.executable).parent / "adapt")
    return subprocess.Popen(
        [adapt, "build", "alpha", *arguments],
        cwd=root,
        env=environment,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a shell's background jobs ignore it, and would pass that on
    )


def wait_for(root: Path, what: str, build: subprocess.Popen[bytes]) -> int | None:
    """Process id of the stage once it runs; None when the build ends without it."""
    while build.poll() is None:
        for pid, command in processes(root).items():
            if f"stage {what}" in command:
                return pid
        time.sleep(0.05)
    return None


def wait_until_gone(root: Path) -> None:
    deadline = time.monotonic() + 20
    while processes(root) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes(root) == {}


def wait_for_staging(out: Path, build: subprocess.Popen[bytes]) -> None:
    """Wait until the output is complete beside its place."""
    while build.poll() is None:
        if list(out.parent.glob(f".{out.name}.staging-*/manifest.json")):
            time.sleep(0.1)
            return
        time.sleep(0.02)
    raise AssertionError(f"the build ended before {out}")


@pytest.fixture
def stalling(tmp_path: Path) -> str:
    """PYTHONPATH of processes that stall."""
    (tmp_path / "stall").mkdir()
    (tmp_path / "stall" / "sitecustomize.py").write_text(STALL, encoding="utf-8")
    return os.pathsep.join([str(tmp_path / "stall"), os.environ.get("PYTHONPATH", "")])


def kill_in(root: Path, stage: str, stalling: str) -> None:
    """Kill a build when the output of `stage` is complete and not in place."""
    build = start(root, STALLED=stage, PYTHONPATH=stalling)
    wait_for_staging(root / STAGES[stage], build)
    os.killpg(build.pid, signal.SIGKILL)
    build.wait()
    wait_until_gone(root)
    assert not (root / STAGES[stage]).exists()


def test_killed_in_any_stage_up_to_training_a_build_ends_as_if_undisturbed(tmp_path: Path, stalling: str) -> None:
    root = tiny_workspace(tmp_path / "a workspace", ("alpha",), exports=False)
    undisturbed = Path(shutil.copytree(root, tmp_path / "undisturbed", symlinks=True))
    for stage in ("corpus alpha", "dataset alpha", "train alpha"):
        kill_in(root, stage, stalling)
    run(root, "adapt", "build", "alpha", "--to", "train")
    run(undisturbed, "adapt", "build", "alpha", "--to", "train")
    assert {"data/dataset/alpha/train.jsonl", "adapters/alpha/adapter_model.safetensors"} <= tree(root).keys()
    assert tree(root) == tree(undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # it builds as often as there are stages
def test_killed_in_every_stage_a_build_ends_as_if_undisturbed(built: Path, tmp_path: Path, stalling: str) -> None:
    root = tiny_workspace(tmp_path / "a workspace")
    for stage in STAGES:
        kill_in(root, stage, stalling)
    run(root, "adapt", "build", "alpha")
    undisturbed = {path: content for path, content in tree(built).items() if "alpha" in path and not path.startswith("dist")}
    assert {path: content for path, content in tree(root).items() if not path.startswith("dist")} == undisturbed
    run(root, "adapt", "build", "--all")
    assert tree(root) == tree(built)


def test_a_killed_dvc_leaves_no_stage_writing(tmp_path: Path) -> None:
    root = tiny_workspace(tmp_path / "a workspace", ("alpha",), exports=False)
    build = start(root)
    stage = wait_for(root, "train alpha", build)
    assert stage is not None
    [dvc] = [pid for pid, command in processes(root).items() if "adapt.plan.dvc_process" in command]
    os.kill(dvc, signal.SIGKILL)
    build.wait()
    wait_until_gone(root)
    assert not (root / "adapters" / "alpha").exists()


def test_an_interrupt_stops_everything(tmp_path: Path) -> None:
    root = tiny_workspace(tmp_path / "a workspace", exports=False)
    build = start(root)
    assert wait_for(root, "train alpha", build) is not None
    os.killpg(build.pid, signal.SIGINT)
    assert build.wait(timeout=20) == 1
    wait_until_gone(root)
    assert not (root / "adapters" / "alpha").exists()


def test_two_builds_at_once_do_not_mix(tmp_path: Path) -> None:
    root = tiny_workspace(tmp_path / "a workspace", ("alpha",), exports=False)
    first = start(root, "--to", "dataset")
    assert wait_for(root, "corpus alpha", first) is not None
    first.send_signal(signal.SIGSTOP)
    second = run(root, "adapt", "build", "alpha", check=False)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert "another build is running in this workspace" in second.stderr
    assert first.wait() == 0
    assert run(root, "adapt", "build", "alpha", "--to", "dataset").stdout.startswith("up to date as far as dataset;")
