"""Mann-Kendall test for an upward trend, and the Theil-Sen estimate of its slope.

Both use the order of the values and no assumption on their distribution, so that single slow runs have little weight
(Mann 1945, Kendall 1975; Sen 1968).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from statistics import median
from typing import Final

MAX_EXACT: Final = 60
"""Number of values up to which the distribution of the statistic is computed exactly, unless values are equal."""


def rising_p_value(values: Sequence[float]) -> float:
    """Return the probability of at least this much rise if the values were in random order."""
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = [count for count in Counter(values).values() if count > 1]
    if not ties and len(values) <= MAX_EXACT:
        return _exact_p_value(len(values), score)
    return _normal_p_value(len(values), score, ties)


def slope_per_run(values: Sequence[float]) -> float:
    """Return the median slope of all pairs of values, per run."""
    pairs = combinations(enumerate(values), 2)
    return median((later - earlier) / (second - first) for (first, earlier), (second, later) in pairs)


def _exact_p_value(number: int, score: int) -> float:
    # The score is the number of pairs minus twice the number of inversions.
    most = (number * (number - 1) // 2 - score) // 2
    return sum(_inversion_shares(number)[: most + 1])


@lru_cache
def _inversion_shares(number: int) -> list[float]:
    """Return the share of the permutations of ``number`` values that have 0, 1, 2, … inversions."""
    shares = [1.0]
    for size in range(2, number + 1):
        # The value number `size` adds 0 to size - 1 inversions, each with the same probability.
        sums = [0.0] * (len(shares) + size - 1)
        for inversions, share in enumerate(shares):
            for added in range(size):
                sums[inversions + added] += share / size
        shares = sums
    return shares


def _normal_p_value(number: int, score: int, ties: Sequence[int]) -> float:
    """Approximate the distribution by a normal one with correction for ties and for continuity."""
    variance = _doubled(number) / 18 - sum(map(_doubled, ties)) / 18
    if variance <= 0 or score <= 0:
        return 1.0
    return 0.5 * math.erfc((score - 1) / math.sqrt(2 * variance))


def _doubled(number: int) -> int:
    return number * (number - 1) * (2 * number + 5)
