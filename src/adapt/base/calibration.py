"""How fast this machine multiplies matrices: a measurement of about a second, kept for the next process.

Enters: a device. Leaves: rates of the products that a decoder layer's forward and backward pass consist of, in float32 and bfloat16. They are for
forecasts and warnings; no choice depends on them, and no output.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_value

_FORMATS = ("float32", "bfloat16")
_ROWS, _IN, _OUT = 256, 576, 1536
"""Tokens and sides of a feed-forward layer of a small model: larger products are hardly faster for each operation."""
_WIDE = 3072
"""Sides of a matrix that no cache of a core holds, 36 MiB in float32: a product with one row reads it from memory."""
_SECONDS, _FEWEST = 0.1, 2
"""A product is repeated for so long, and so many times at least; its best time counts, since other programs only make it longer."""
_LAYER_CALLS = 20
_ENVIRONMENT = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Rates:
    """Of one number format."""

    forward: float
    """Floating-point operations per second of x W^T, x having many rows."""
    backward: float
    """Of g W, the gradient of the input."""
    row: float
    """Bytes of weights per second that a product with a single row goes through, as in answering token by token."""

    @property
    def step(self) -> float:
        """Operations per second where each forward product has its backward one."""
        return 2 / (1 / self.forward + 1 / self.backward)


@dataclass(frozen=True)
class Calibration:
    """Of one device, in the settings of this process."""

    native: str
    """What `dtype: auto` means here."""
    instruction_set: str
    threads: int | None
    """None on a GPU."""
    rates: Mapping[str, Rates]
    """By number format."""
    call: float
    """Seconds that torch takes to begin an operation, whatever its size."""

    @property
    def slowdown(self) -> float:
        """How many times as long a training step's products take in bfloat16 as in float32."""
        return self.rates["float32"].step / self.rates["bfloat16"].step


def calibrate(device: str, folder: Path | None = None) -> Calibration:
    """The calibration of `device`, `cpu` or `cuda`.

    It comes from `folder` where it was measured before in the same settings, else it is measured now and kept there. None
    measures in any case. A folder that cannot be written is no error. Loads torch only to measure.
    """
    path = None if folder is None else folder / f"{device}-{digest_value(_settings(device))[:16]}.json"
    if path is not None and (known := _read(path)) is not None:
        return known
    measured = _measure(device)
    if path is not None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(f".{os.getpid()}")
            aside.write_text(json.dumps(asdict(measured) | {"settings": _settings(device)}, indent=2) + "\n", encoding="utf-8")
            aside.replace(path)
    return measured


def _settings(device: str) -> dict[str, Any]:
    """What rates depend on, without loading torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    environment = {name: os.environ.get(name, "") for name in _ENVIRONMENT}
    return {"device": device, "processor": _processor(), "cores": cores, "torch": version("torch"), **environment}


def _processor() -> str:
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        found = [match for name in ("model name", "cpu family", "model") if (match := re.search(rf"^{name}\s*: (.*)$", text, re.MULTILINE))]
        if found:
            return " ".join(match[1].strip() for match in found)
    return f"{platform.machine()} {platform.processor()}"


def _read(path: Path) -> Calibration | None:
    try:
        content = json.loads(path.read_bytes())
        del content["settings"]
        rates = {name: Rates(**found) for name, found in content.pop("rates").items()}
        return Calibration(**content, rates=rates) if set(rates) == set(_FORMATS) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _measure(device: str) -> Calibration:
    import torch

    from adapt.base.numerics import instruction_set, native_dtype

    with torch.inference_mode():
        rates = {name: _rates(name, device) for name in _FORMATS}
        call = _best(_small_operations(device), device) / _LAYER_CALLS
    threads = torch.get_num_threads() if device == "cpu" else None
    return Calibration(native_dtype(device), instruction_set(device), threads, rates, call)


def _rates(name: str, device: str) -> Rates:
    import torch
    from torch.nn.functional import linear

    def normal(*shape: int) -> torch.Tensor:
        return torch.full(shape, 0.5, dtype=getattr(torch, name), device=device)

    x, weight, gradient = normal(_ROWS, _IN), normal(_OUT, _IN), normal(_ROWS, _OUT)
    operations = 2 * _ROWS * _IN * _OUT
    row, wide = normal(1, _WIDE), normal(_WIDE, _WIDE)
    return Rates(
        forward=operations / _best(lambda: linear(x, weight), device),
        backward=operations / _best(lambda: gradient @ weight, device),
        row=wide.numel() * wide.element_size() / _best(lambda: linear(row, wide), device),
    )


def _small_operations(device: str) -> Callable[[], Any]:
    import torch

    one = torch.ones(8, device=device)

    def run() -> None:
        for _ in range(_LAYER_CALLS):
            torch.add(one, one)

    return run


def _best(run: Callable[[], Any], device: str) -> float:
    """Seconds of the fastest of several calls."""
    import torch

    best, count, begun = float("inf"), 0, time.perf_counter()
    while count < _FEWEST or time.perf_counter() - begun < _SECONDS:
        started = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
        count += 1
    return best
