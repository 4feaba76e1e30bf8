"""The exact tests against enumerations that share nothing with them."""

from fractions import Fraction
from itertools import combinations, product
from math import comb

import pytest

from adapt.serving.significance import binomial_at_least, fisher_greater


def enumerated_fisher(failed: int, total: int, other_failed: int, other_total: int) -> float:
    """Every way to choose which of the requests failed, counted one by one."""
    everything, both = total + other_total, failed + other_failed
    ways = [sum(place < total for place in chosen) for chosen in combinations(range(everything), both)]
    return sum(count >= failed for count in ways) / len(ways)


def test_fisher_is_the_share_of_all_ways_to_fail() -> None:
    for total, other_total in ((1, 1), (3, 4), (5, 5), (6, 2)):
        for failed, other_failed in product(range(total + 1), range(other_total + 1)):
            counts = failed, total, other_failed, other_total
            assert fisher_greater(*counts) == pytest.approx(enumerated_fisher(*counts), abs=1e-12), counts


def test_fisher_with_large_counts_agrees_with_exact_fractions() -> None:
    failed, total, other_failed, other_total = 40, 20_000, 18, 20_000
    both, everything = failed + other_failed, total + other_total
    ways = sum(comb(total, k) * comb(other_total, both - k) for k in range(failed, both + 1))
    exact = float(Fraction(ways, comb(everything, both)))
    assert fisher_greater(failed, total, other_failed, other_total) == pytest.approx(exact)


def test_nothing_to_compare_with_is_no_evidence() -> None:
    assert fisher_greater(3, 3, 0, 0) == fisher_greater(0, 0, 3, 3) == 1.0


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_binomial_tail_is_the_sum_over_all_outcomes(share: float) -> None:
    for total in (1, 4, 9):
        for failed in range(total + 1):
            outcomes = (outcome for outcome in product((0, 1), repeat=total) if sum(outcome) >= failed)
            counts = [sum(outcome) for outcome in outcomes]
            expected = sum(share**count * (1 - share) ** (total - count) for count in counts)
            assert binomial_at_least(failed, total, share) == pytest.approx(expected)
