"""Counts of indicators: typing, presence and read marks that peers should have seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from chatws_loadtest.thresholds import INDICATORS


class IndicatorCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Indicators of one kind that were sent, and those that a peer never saw."""

    sent: int = 0
    lost: int = 0

    def __add__(self, other: IndicatorCounts) -> IndicatorCounts:
        """Add the counts of other rooms."""
        return IndicatorCounts(sent=self.sent + other.sent, lost=self.lost + other.lost)

    @property
    def lost_share(self) -> float:
        return self.lost / max(1, self.sent)

    def describe(self) -> str:
        """Return the number that arrived, of those sent."""
        return f"{self.sent - self.lost} of {self.sent} indicators arrived"


def add_indicators(reports: Iterable[Mapping[str, IndicatorCounts]]) -> dict[str, IndicatorCounts]:
    """Add up the counts of several load processes, by kind."""
    totals = dict.fromkeys(INDICATORS, IndicatorCounts())
    for report in reports:
        for kind, counts in report.items():
            totals[kind] += counts
    return totals
