"""Search for creeping regressions: series that rise from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from chatws_loadtest.trend.history import TrendSeries
from chatws_loadtest.trend.mann_kendall import rising_p_value, slope_per_run

ALPHA: Final = 0.01
"""Probability of one or more false alarms in a folder whose measurements only have noise."""
MIN_RUNS: Final = 8
"""Runs that a series needs: with fewer, not even a steady rise is significant after the correction for many series."""
MIN_RISE: Final = 0.05
"""Smallest rise over all runs that is reported, as a share of the series' median."""
MIN_RISE_MS: Final = 1.0
"""Smallest rise of a latency that is reported, as in a comparison of two reports."""


@dataclass(frozen=True, slots=True)
class SeriesTrend:
    """Series with its slope and the result of the test."""

    series: TrendSeries
    slope: float
    """Theil-Sen slope per run, in the unit of the series."""
    p_value: float | None
    """Of the rise, corrected for the number of series; None with fewer than `MIN_RUNS` runs."""
    is_regression: bool

    @property
    def rise(self) -> float:
        """Rise over all runs by the slope, in the unit of the series."""
        return self.slope * (len(self.series.points) - 1)

    @property
    def share_per_run(self) -> float:
        """Slope as a share of the median."""
        middle = median(self.series.values)
        return self.slope / middle if middle else 0.0


def find_trends(series: Sequence[TrendSeries]) -> list[SeriesTrend]:
    """Test every series for a rise (Mann-Kendall, one-sided), with Holm's correction for their number.

    A regression is a significant rise that is also large enough to matter.
    """
    tested = [row for row in series if len(row.points) >= MIN_RUNS]
    corrected = _correct([rising_p_value(row.values) for row in tested])
    p_values = dict(zip(map(id, tested), corrected, strict=True))
    return [_trend(row, p_values.get(id(row))) for row in series]


def _trend(series: TrendSeries, p_value: float | None) -> SeriesTrend:
    slope = slope_per_run(series.values) if len(series.points) > 1 else 0.0
    rise = slope * (len(series.points) - 1)
    is_large = rise >= MIN_RISE * median(series.values) and (series.unit != "ms" or rise >= MIN_RISE_MS)
    return SeriesTrend(series, slope, p_value, p_value is not None and p_value <= ALPHA and is_large)


def _correct(p_values: list[float]) -> list[float]:
    """Correct p-values for their number (Holm 1979): each may be compared with the same alpha afterwards."""
    corrected = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected
