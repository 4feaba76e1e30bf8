"""Starts the processes of a training on this machine, and ends all when one dies.

torch.distributed.run would do it too; it resolves host names, restarts what ended for good, and tells of failures in tables of its own. Here a user's
error in any process is that error, and nobody is left behind when this process is killed (`die_with_parent` in each).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from adapt.adapter.distributed.group import check_devices, check_strategy
from adapt.adapter.training import Tracking, Training, TrainReport
from adapt.artifact.progress import FORCED, Progress, progress_kind
from adapt.base.load import resolve_device
from adapt.base.numerics import NumericClass
from adapt.errors import InputError, WorkspaceError
from adapt.spec.resolved.train import TrainSection

JOB = "job.json"
_POLL_SECONDS = 0.05
_GRACE_SECONDS = 5.0
"""What the others get after one has ended with an error, so that they can tell theirs."""


def launch(training: Training, *, base: Path, progress: Progress) -> TrainReport:
    """Train in as many processes as the section says. Raises InputError for what a user can mend, WorkspaceError when a process died."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    spec = training.section.train.distributed
    if spec is None:
        raise AssertionError("a training in one process needs no launch")
    check_strategy(spec)
    if resolve_device(training.section.train.device) == "cuda":
        check_devices(spec.processes)
    listening = socket.create_server(("127.0.0.1", 0))  # of our own, since the store's would be open to the network
    port = listening.getsockname()[1]
    store = TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False, master_listen_fd=listening.detach())
    with tempfile.TemporaryDirectory(prefix="adapt-ranks-") as name:
        folder = Path(name)
        write_job(folder / JOB, training, base)
        environment = _environment(spec.processes, store.port, shown=progress_kind(progress))
        command = [sys.executable, "-P", "-m", "adapt.adapter.distributed.worker", str(folder)]
        processes = [
            _start(command, {**environment, "RANK": str(rank), "LOCAL_RANK": str(rank)}, folder / f"{rank}.log") for rank in range(spec.processes)
        ]
        try:
            codes = _wait(processes)
        finally:
            _end(processes)
        _check(codes, folder)
        return TrainReport(**_told(folder, 0)["report"])


def _environment(processes: int, port: int, *, shown: str) -> dict[str, str]:
    own = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # torch's word for: this store runs elsewhere
        FORCED: shown,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return {"OMP_NUM_THREADS": str(max(1, _cores() // processes)), **os.environ, **own}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """The first process speaks for all; what the others say is kept for the case that they die."""
    if environment["RANK"] == "0":
        return subprocess.Popen(command, env=environment)
    with log.open("wb") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> list[int | None]:
    """Exit codes once all have ended well, or some time after the first that did not; None for those that go on."""
    until = None
    while True:
        codes = [process.poll() for process in processes]
        if None not in codes or (until is not None and time.monotonic() > until):
            return codes
        if until is None and any(codes):
            until = time.monotonic() + _GRACE_SECONDS
        time.sleep(_POLL_SECONDS)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
    for process in processes:
        process.wait()


def _check(codes: Sequence[int | None], folder: Path) -> None:
    """Raise what went wrong, if anything did: a user's error in any process first, then the process that died of itself."""
    if not any(code != 0 for code in codes):
        return
    for rank in range(len(codes)):
        if error := _told(folder, rank).get("error"):
            raise InputError(error["message"], hint=error["hint"])
    killed = [rank for rank, code in enumerate(codes) if code is not None and code < 0]
    rank = (killed or [rank for rank, code in enumerate(codes) if code])[0]
    log = folder / f"{rank}.log"
    if log.is_file() and (said := log.read_text(encoding="utf-8", errors="replace").strip()):
        sys.stderr.write(f"{said[-4000:]}\n")
    code = codes[rank] or 0
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    raise WorkspaceError(
        f"process {rank + 1} of the {len(codes)} that trained together {how}, and the others were ended",
        hint="start the build again: training goes on from its last checkpoint"
        + ("; signal 9 is often a lack of memory: lower train.batch_tokens" if code == -9 else ""),
    )


def _told(folder: Path, rank: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with suppress(FileNotFoundError):
        found = json.loads((folder / f"{rank}.json").read_bytes())
    return found


def write_job(path: Path, training: Training, base: Path) -> None:
    """A training as JSON; `read_job` gives it back."""
    fields = {**asdict(replace(training, watch=None)), "section": training.section.model_dump(mode="json"), "base": base}
    path.write_text(json.dumps(fields, default=str), encoding="utf-8")


def read_job(path: Path) -> tuple[Training, Path]:
    """A training and the folder of its base."""
    fields = json.loads(path.read_bytes())
    tracking = fields["tracking"]
    training = Training(
        TrainSection.model_validate(fields["section"]),
        inputs=Path(fields["inputs"]),
        out=Path(fields["out"]),
        curves=Path(fields["curves"]),
        work=Path(fields["work"]),
        steps={name: Path(folder) for name, folder in fields["steps"].items()},
        former=fields["former"] and NumericClass(**fields["former"]),
        calibration=fields["calibration"] and Path(fields["calibration"]),
        tracking=tracking and Tracking(**{**tracking, "trackers": tuple(tracking["trackers"]), "folder": Path(tracking["folder"])}),
    )
    return training, Path(fields["base"])
