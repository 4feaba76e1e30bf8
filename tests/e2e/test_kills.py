"""Builds that are killed half-way, or run twice at once: the next build ends with the bytes of an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.workspace import run, tiny_workspace, tree

STAGES = ("corpus alpha", "dataset alpha", "train alpha", "evaluate alpha", "gate alpha", "export alpha-merged", "serving")


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


def start(root: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    adapt = str(Path(sys.executable).parent / "adapt")
    return subprocess.Popen(
        [adapt, "build", "alpha"], cwd=root, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def wait_for(root: Path, what: str, build: subprocess.Popen[bytes]) -> int | None:
    """Process id of the stage once it runs; None when the build ends without it."""
    while build.poll() is None:
        for pid, command in processes(root).items():
            if f"stage {what}" in command:
                return pid
        time.sleep(0.01)
    return None


def wait_until_gone(root: Path) -> None:
    deadline = time.monotonic() + 20
    while processes(root) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes(root) == {}


def test_killed_in_every_stage_a_build_ends_as_if_undisturbed(built: Path, tmp_path: Path) -> None:
    root = tiny_workspace(tmp_path / "a workspace")
    killed = []
    for number, stage in enumerate(STAGES):
        build = start(root)
        if wait_for(root, stage, build) is not None:
            time.sleep(0.1 * number)
            os.killpg(build.pid, signal.SIGKILL)
            killed.append(stage)
        build.wait()
        wait_until_gone(root)
    assert "train alpha" in killed
    assert len(killed) >= len(STAGES) - 1, "the serving stage may be too quick to catch"
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
    [dvc] = [pid for pid, command in processes(root).items() if "dvc.cli" in command]
    os.kill(dvc, signal.SIGKILL)
    build.wait()
    wait_until_gone(root)
    assert not (root / "adapters" / "alpha").exists()


def test_two_builds_at_once_do_not_mix(tmp_path: Path) -> None:
    root = tiny_workspace(tmp_path / "a workspace", ("alpha",), exports=False)
    first = start(root)
    assert wait_for(root, "corpus alpha", first) is not None
    second = run(root, "adapt", "build", "alpha", check=False)
    assert second.returncode == 1
    assert "another build is running in this workspace" in second.stderr
    assert first.wait() == 0
    assert run(root, "adapt", "build", "alpha").stdout == "all up to date\n"
