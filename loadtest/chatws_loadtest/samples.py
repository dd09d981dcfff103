"""Exact percentiles of latency samples, and the spread of a value over repeated runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles in milliseconds; all zero if ``count`` is."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Lowest, median and highest value of repeated runs."""

    low: float
    median: float
    high: float


def percentiles(samples_us: Sequence[int]) -> Percentiles:
    """Compute percentiles of samples in microseconds; each one is a sample, never interpolated."""
    ordered = sorted(samples_us)
    return Percentiles(
        count=len(ordered),
        p50_ms=_rank(ordered, 0.50) / 1_000,
        p95_ms=_rank(ordered, 0.95) / 1_000,
        p99_ms=_rank(ordered, 0.99) / 1_000,
        max_ms=_rank(ordered, 1.0) / 1_000,
    )


def spread(values: Sequence[float]) -> Spread:
    """Compute the spread of a value measured once per run."""
    ordered = sorted(values)
    return Spread(low=ordered[0], median=ordered[len(ordered) // 2], high=ordered[-1])


def _rank(ordered: Sequence[int], share: float) -> float:
    if not ordered:
        return 0.0
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]
