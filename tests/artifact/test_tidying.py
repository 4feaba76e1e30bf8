"""Cyclic garbage is searched seldom where that is asked for, and nowhere else; freed memory is kept."""

import ctypes
import gc
import os
import subprocess
import sys

import pytest

from adapt.artifact.tidying import tidied_rarely


def test_searches_are_rare_inside_and_as_before_behind_even_after_an_error() -> None:
    before = gc.get_threshold()

    @tidied_rarely()
    def fail() -> None:
        assert gc.get_threshold()[0] > before[0]
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        fail()
    assert gc.get_threshold() == before


def test_a_cycle_that_is_made_inside_goes_with_a_later_search() -> None:
    with tidied_rarely():
        cycle: list[object] = []
        cycle.append(cycle)
        assert gc.is_tracked(cycle)
        del cycle
    assert gc.collect() >= 1


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library")
def test_freed_arrays_are_not_given_back() -> None:
    """In a process of its own: what is set holds for good."""
    program = """
import resource, sys
import numpy as np
from adapt.artifact.tidying import tidied_rarely

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        np.ones(1 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "kept":
    with tidied_rarely():
        np.ones(1 << 20)
print(faults())
"""
    given_back = {"MALLOC_MMAP_THRESHOLD_": "1048576"}  # as for arrays that grow: the bound that glibc finds for itself differs by history
    usual, kept = (
        int(subprocess.run([sys.executable, "-c", program, mode], env=os.environ | given_back, capture_output=True, text=True, check=True).stdout)
        for mode in ("usual", "kept")
    )
    assert kept < usual / 5
