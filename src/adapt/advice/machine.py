"""What the machine has: memory that a build may take, and how fast it multiplies.

A container's limit counts as well as the machine's memory. torch is loaded only where there is a GPU to ask, or rates to measure
that no process measured before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, TypeVar

from adapt.base.calibration import Calibration, calibrate
from adapt.base.numerics import AUTO, NumericClass
from adapt.errors import InputError
from adapt.spec.common_train import CommonTrain

Kind = Literal["cpu", "cuda"]
TrainT = TypeVar("TrainT", bound=CommonTrain)
USABLE = {"cpu": 0.95, "cuda": 0.9}
"""Share of the memory that a forecast may take: the rest is for what other programs come to need, and what the formula does not know."""
_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[KMGT]i?B?)", re.IGNORECASE)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


@dataclass(frozen=True)
class Device:
    """Where training runs."""

    kind: Kind
    memory: int
    """Bytes that are there for it."""
    measure: Callable[[], Calibration] | None = None
    """Gives its calibration, which may take a second; None for a device that is not there."""

    @cached_property
    def calibration(self) -> Calibration | None:
        """How fast it multiplies; None for a device that is not there."""
        return None if self.measure is None else self.measure()

    @property
    def usable(self) -> float:
        """Bytes that a forecast may take."""
        return self.memory * USABLE[self.kind]

    def computed(self, train: TrainT) -> TrainT:
        """Section `train` with the number format that `auto` means on this device; on one that is not there, bfloat16."""
        if train.dtype != AUTO:
            return train
        return train.model_copy(update={"dtype": "bfloat16" if self.calibration is None else self.calibration.native})

    def numerics(self, dtype: str) -> NumericClass | None:
        """The class of results in `dtype`; None for a device that is not there."""
        known = self.calibration
        return None if known is None else NumericClass(dtype, self.kind, known.instruction_set, known.threads)


def parse_memory(text: str) -> int:
    """Bytes of a size such as `24GiB`, `24G` or `80 GB`. Raises InputError for anything else."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text!r} is not an amount of memory", hint="write it as 24GiB or 80GB")
    unit = found["unit"].upper()
    power: int = (1000 if unit.endswith("B") and "I" not in unit and len(unit) == 2 else 1024) ** _POWERS[unit[0]]
    return int(float(found["number"]) * power)


def device_for(wanted: str, *, calibrations: Path | None = None, root: Path = Path("/")) -> Device:
    """The device that `train.device` means here: `auto` takes a GPU when there is one. Raises InputError for a GPU that is not there.

    `calibrations`: a folder in which measurements of this machine are kept.
    """
    gpu = _gpu_memory(root) if wanted != "cpu" else None
    if gpu is not None:
        return Device("cuda", gpu, partial(calibrate, "cuda", calibrations))
    if wanted == "cuda":
        raise InputError(
            "train.device is cuda, and this machine has no GPU that torch can use", hint="set it to auto or cpu, or say which: --gpu 24GiB"
        )
    return Device("cpu", available_memory(root), partial(calibrate, "cpu", calibrations))


def available_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that a new process can take: what the system has left, and what the container's limit leaves. `root` is `/` but in tests."""
    bounds = [bound for bound in (_system(root), _version_2(root), _version_1(root)) if bound is not None]
    if not bounds:
        raise InputError("how much memory this machine has left cannot be read", hint="say what there is: --memory 16GiB")
    return min(bounds)


def _system(root: Path) -> int | None:
    try:
        text = (root / "proc/meminfo").read_text(encoding="utf-8")
    except OSError:
        return _pages()
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _pages() -> int | None:
    """Where there is no /proc: half of the memory, since how much is free is not said."""
    import os

    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):
        return None


def _version_2(root: Path) -> int | None:
    folder = root / "sys/fs/cgroup"
    return _left(folder / "memory.max", folder / "memory.current", folder / "memory.stat", "inactive_file")


def _version_1(root: Path) -> int | None:
    folder = root / "sys/fs/cgroup/memory"
    return _left(folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes", folder / "memory.stat", "total_inactive_file")


def _left(limit: Path, used: Path, statistics: Path, given_back: str) -> int | None:
    """What a control group's limit leaves; pages of files that were not read lately are given back when memory is short."""
    try:
        bound = limit.read_text(encoding="utf-8").strip()
        if not bound.isdigit() or int(bound) >= 1 << 60:  # `max`, or version 1's number for no limit
            return None
        found = re.search(rf"^{given_back} (\d+)$", statistics.read_text(encoding="utf-8"), re.MULTILINE)
        return max(0, int(bound) - int(used.read_text(encoding="utf-8")) + (int(found[1]) if found else 0))
    except (OSError, ValueError):
        return None


def _gpu_memory(root: Path) -> int | None:
    """Memory of the first GPU in bytes; None without one."""
    if not (root / "proc/driver/nvidia").exists() and not (root / "dev/nvidiactl").exists():
        return None
    import torch

    return int(torch.cuda.mem_get_info()[1]) if torch.cuda.is_available() else None
