from array import array
from itertools import chain

import pytest

from adapt.adapter.batches import Plan, answer_rows, pack_sorted, plan_epoch
from adapt.adapter.prompt import Example
from adapt.adapter.states import behind_each_other, side_by_side

LENGTHS = [5 + (7 * number) % 40 for number in range(300)]


def _positions(steps: list[list[list[int]]]) -> list[int]:
    return sorted(position for step in steps for micro in step for position in micro)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_an_epoch_has_every_example_once_and_keeps_to_the_budget(accumulate: int) -> None:
    steps = plan_epoch(LENGTHS, batch_tokens=128, accumulate=accumulate, seed=0, epoch=0)
    assert _positions(steps) == list(range(300))
    assert all(len(step) <= accumulate for step in steps)
    assert all(max(LENGTHS[position] for position in micro) * len(micro) <= 128 for step in steps for micro in step)


def test_padding_is_a_small_share() -> None:
    passes = [micro for step in plan_epoch(LENGTHS, batch_tokens=256, accumulate=1, seed=0, epoch=0) for micro in step]
    padded = sum(max(LENGTHS[position] for position in micro) * len(micro) for micro in passes)
    assert sum(LENGTHS) / padded > 0.9


def test_order_depends_on_seed_and_epoch_alone() -> None:
    plans = [plan_epoch(LENGTHS, batch_tokens=128, accumulate=1, seed=seed, epoch=epoch) for seed, epoch in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    assert plans[0] != plans[3]


def test_an_example_longer_than_the_budget_stands_alone() -> None:
    assert list(pack_sorted([3, 100, 4], batch_tokens=10)) == [[1], [2, 0]]


def test_two_passes_hold_what_one_of_twice_the_size_holds() -> None:
    lengths = [8] * 64
    halves = plan_epoch(lengths, batch_tokens=32, accumulate=2, seed=3, epoch=0)
    wholes = plan_epoch(lengths, batch_tokens=64, accumulate=1, seed=3, epoch=0)
    assert [[*chain(*step)] for step in halves] == [[*chain(*step)] for step in wholes]


def test_a_plan_goes_on_anywhere() -> None:
    plan = Plan(LENGTHS, epochs=2.5, batch_tokens=128, accumulate=2, seed=0)
    whole = list(plan.after(0))
    assert len(whole) == plan.steps
    for done in (1, len(whole) // 2, len(whole) - 1, len(whole)):
        assert list(plan.after(done)) == whole[done:]


def test_a_share_of_an_epoch_is_at_least_a_step() -> None:
    assert Plan([5, 5], epochs=0.01, batch_tokens=1000, accumulate=1, seed=0).steps == 1


EXAMPLES = (Example(array("i", [1, 2, 3, 4]), 2, "a"), Example(array("i", [5, 6, 7]), 1, "b"))


@pytest.mark.parametrize(
    ("arrange", "ids", "rows"),
    [(side_by_side, [[1, 2, 3, 4], [5, 6, 7, 0]], [1, 2, 4, 5]), (behind_each_other, [[1, 2, 3, 4, 5, 6, 7]], [1, 2, 4, 5])],
)
def test_rows_point_at_the_states_that_predict_the_answer(arrange, ids, rows) -> None:
    layout = arrange([example.ids for example in EXAMPLES])
    found, targets = answer_rows(EXAMPLES, layout.starts)
    assert (layout.ids.tolist(), layout.tokens) == (ids, 7)
    assert (found.tolist(), targets.tolist()) == (rows, [3, 4, 6, 7])


def test_packed_passes_fill_the_budget_with_real_tokens() -> None:
    passes = [micro for step in plan_epoch(LENGTHS, batch_tokens=128, accumulate=1, seed=0, epoch=0, padded=False) for micro in step]
    assert sorted(position for micro in passes for position in micro) == list(range(len(LENGTHS)))
    assert all(sum(LENGTHS[position] for position in micro) <= 128 or len(micro) == 1 for micro in passes)
