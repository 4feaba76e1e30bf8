"""What a device computes natively, and the class of machines on which equal inputs give equal bytes.

Products in bfloat16 take a CPU without instructions for them 3 to 40 times as long as those in float32, since every number is widened and rounded by
software. So `train.dtype: auto` means what the device multiplies natively. The choice is asked of torch and oneDNN and never measured: it is the same
each time on one machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

AUTO = "auto"
_WITHOUT_BFLOAT16 = frozenset(("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"))
"""Values of ONEDNN_MAX_CPU_ISA that leave oneDNN no product in bfloat16."""
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that hold oneDNN to older instructions, the first one counting."""
_PRODUCTS = ("amx_bf16", "avx512_bf16")
"""Instructions of x86 that multiply bfloat16, as torch.cpu.get_capabilities names them."""


@dataclass(frozen=True)
class NumericClass:
    """Machines on which equal inputs give equal bytes, as far as floating-point numbers go: sums are taken in another order elsewhere."""

    dtype: str
    """Number format of the products."""
    device: str
    """`cpu` or `cuda`."""
    instruction_set: str
    """Of a CPU what torch uses, such as AVX2 or AVX512_BF16; of a GPU its architecture, such as sm_90."""
    threads: int | None
    """Threads of a CPU that share a product; None on a GPU, whose results do not depend on them."""

    @classmethod
    def read(cls, recorded: Mapping[str, Any]) -> NumericClass | None:
        """The class that training.json, or the figures of a run, tell of; None for those of versions that did not record it."""
        try:
            threads = recorded["threads"]
            return cls(
                dtype=str(recorded["dtype"]),
                device=str(recorded["device"]),
                instruction_set=str(recorded["instruction_set"]),
                threads=None if threads is None else int(threads),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def continues(self, other: NumericClass) -> bool:
        """Whether a training that began in class `other` may go on in this one; several processes have no number of threads."""
        if replace(self, threads=None) != replace(other, threads=None):
            return False
        return self.threads == other.threads or None in (self.threads, other.threads)

    def as_record(self) -> dict[str, Any]:
        """Its fields, as `read` takes them."""
        return asdict(self)

    def __str__(self) -> str:
        threads = "" if self.threads is None else f", {self.threads} thread{'' if self.threads == 1 else 's'}"
        return f"{self.dtype} on {self.device} ({self.instruction_set}{threads})"


def numeric_class(dtype: str, device: str) -> NumericClass:
    """The class of results that this process computes in `dtype` on `device`, as `resolve_device` gives it."""
    import torch

    kind = device.partition(":")[0]
    return NumericClass(dtype, kind, instruction_set(device), torch.get_num_threads() if kind == "cpu" else None)


def instruction_set(device: str) -> str:
    """What a device computes with: of a CPU the instructions that torch and oneDNN use in this process, of a GPU its architecture."""
    import torch

    if device.startswith("cuda"):
        major, minor = torch.cuda.get_device_capability(device)
        return f"sm_{major}{minor}"
    usual = torch.backends.cpu.get_cpu_capability().replace(" ", "_")
    return f"{usual}_BF16" if multiplies_bfloat16(device) else usual


def multiplies_bfloat16(device: str) -> bool:
    """Whether `device` has instructions that multiply bfloat16, and this process may use them."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return _cpu_multiplies_bfloat16(next((limit for name in _LIMITS if (limit := os.environ.get(name))), ""))


@cache
def _cpu_multiplies_bfloat16(limit: str) -> bool:
    import torch

    onednn: Any = torch.backends.mkldnn  # its functions carry no types
    if not onednn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    capabilities = torch.cpu.get_capabilities()
    if str(capabilities.get("architecture")) not in ("x86_64", "amd64"):
        return True  # oneDNN's own answer is about the instruction there
    # On x86 oneDNN says yes where it emulates, and that is slower than float32.
    return limit.upper() not in _WITHOUT_BFLOAT16 and any(capabilities.get(name) for name in _PRODUCTS)


def native_dtype(device: str) -> str:
    """What `auto` means on `device`: bfloat16 where it has instructions for that, else float32.

    A GPU without bfloat16 has float16, which is faster there; but numbers of models that were trained in bfloat16 overflow in it, so that it is for
    users to choose.
    """
    return "bfloat16" if multiplies_bfloat16(device) else "float32"


def choose_dtype(wanted: str, device: str) -> str:
    """The number format that `wanted`, `auto` or a format's name, means on `device`."""
    return native_dtype(device) if wanted == AUTO else wanted


def forward_dtype(stored: str, device: str) -> str:
    """The number format in which a model that was trained in `stored` answers on `device`: that one, or float32 where it is not native.

    Widening loses nothing. Float32 is never narrowed, whatever else the device computes faster: that would round what was trained.
    """
    if stored == "bfloat16":
        return native_dtype(device)
    return "float32" if stored == "float16" and not device.startswith("cuda") else stored
