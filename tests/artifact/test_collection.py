"""Cyclic garbage is searched seldom where that is asked for, and nowhere else."""

import gc

import pytest

from adapt.artifact.collection import collected_rarely


def test_searches_are_rare_inside_and_as_before_behind_even_after_an_error() -> None:
    before = gc.get_threshold()

    @collected_rarely()
    def fail() -> None:
        assert gc.get_threshold()[0] > before[0]
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        fail()
    assert gc.get_threshold() == before


def test_a_cycle_that_is_made_inside_goes_with_a_later_search() -> None:
    with collected_rarely():
        cycle: list[object] = []
        cycle.append(cycle)
        assert gc.is_tracked(cycle)
        del cycle
    assert gc.collect() >= 1
