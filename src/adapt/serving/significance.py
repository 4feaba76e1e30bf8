"""Exact tests of whether one share of failures is larger than another by more than chance.

Enters: counts. Leaves: the probability of so many failures, or more, if nothing differed. Sums of products
of binomial coefficients, in logarithms, so that large counts neither overflow nor lose digits.
"""

from math import exp, fsum, lgamma, log, log1p


def fisher_greater(failed: int, total: int, other_failed: int, other_total: int) -> float:
    """P-value of Fisher's exact test, one-sided: that the first share of failures is no larger than the
    second.

    Given how many failed in both groups together, the failures of the first are hypergeometric (R. A.
    Fisher, "On the interpretation of χ² from contingency tables, and the calculation of P", 1922). 1.0
    where a group is empty.
    """
    if total == 0 or other_total == 0:
        return 1.0
    both, everything = failed + other_failed, total + other_total
    whole = _log_choose(everything, both)
    most = min(both, total)
    ways = (_log_choose(total, k) + _log_choose(other_total, both - k) for k in range(failed, most + 1))
    return min(1.0, fsum(exp(each - whole) for each in ways))


def binomial_at_least(failed: int, total: int, share: float) -> float:
    """Probability of `failed` or more failures among `total`, each with probability `share`, between 0
    and 1 and neither."""
    yes, no = log(share), log1p(-share)
    ways = (_log_choose(total, k) + k * yes + (total - k) * no for k in range(failed, total + 1))
    return min(1.0, fsum(map(exp, ways))) if failed > 0 else 1.0


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) if 0 <= k <= n else float("-inf")
