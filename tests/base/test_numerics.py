"""What a device computes natively, asked in processes of their own: oneDNN reads its environment once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from adapt.base import numerics
from adapt.base.numerics import NumericClass, choose_dtype, forward_dtype, instruction_set, native_dtype, numeric_class

HELD = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
"""What makes any x86 CPU one without bfloat16."""
SEEN = NumericClass("bfloat16", "cpu", "AVX512_BF16", 2)


def _flags() -> set[str]:
    """The CPU's instructions, by the kernel."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return set(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


@pytest.mark.skipif(sys.platform != "linux" or os.uname().machine != "x86_64", reason="asks the kernel about an x86 CPU")
def test_bfloat16_is_native_where_the_kernel_knows_its_instruction_and_nothing_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    has = bool(_flags() & {"avx512_bf16", "amx_bf16"})
    assert native_dtype("cpu") == ("bfloat16" if has else "float32")
    assert instruction_set("cpu").endswith("_BF16") == has
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")  # there oneDNN still takes bfloat16, by emulation
    assert native_dtype("cpu") == "float32"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names instructions of x86")
def test_a_process_held_to_avx2_computes_in_float32() -> None:
    program = "from adapt.base.numerics import numeric_class, choose_dtype; print(numeric_class(choose_dtype('auto', 'cpu'), 'cpu'))"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **HELD, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "float32 on cpu (AVX2, 1 thread)"


def test_what_was_chosen_stays_but_is_widened_where_it_is_not_native(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_dtype("bfloat16", "cpu") == "bfloat16"
    for native, bfloat16 in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(numerics, "multiplies_bfloat16", lambda device, native=native: native)
        assert [forward_dtype(stored, "cpu") for stored in ("bfloat16", "float16", "float32")] == [bfloat16, "float32", "float32"]
        assert [forward_dtype(stored, "cuda") for stored in ("bfloat16", "float16", "float32")] == [bfloat16, "float16", "float32"]
        assert choose_dtype("auto", "cpu") == bfloat16


def test_a_class_is_read_as_it_was_recorded_and_older_records_have_none() -> None:
    assert NumericClass.read(SEEN.as_record() | {"method": "lora"}) == SEEN
    assert NumericClass.read({"dtype": "float32", "device": "cpu"}) is None
    assert str(NumericClass("bfloat16", "cuda", "sm_90", None)) == "bfloat16 on cuda (sm_90)"
    assert numeric_class("float32", "cpu").threads == torch.get_num_threads()


def test_a_training_goes_on_in_its_class_alone() -> None:
    def other(**changes: object) -> NumericClass:
        return NumericClass(**{**SEEN.as_record(), **changes})

    assert SEEN.continues(other())
    assert not any(SEEN.continues(other(**change)) for change in ({"threads": 1}, {"dtype": "float32"}, {"instruction_set": "AVX2"}))
    assert SEEN.continues(other(threads=None))  # of several processes
    assert not SEEN.continues(other(threads=None, dtype="float32"))
