"""Counts and times of the hot path, kept as plain numbers and turned into metrics when Prometheus asks.

A message counts three times and is timed twice. With prometheus-client's own objects that was 8 % of the event loop's
time (a lock and several calls for each); this is under 1 %.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper bounds of the buckets; one more takes the rest."""


class DurationHistogram:
    """How long something took, in buckets."""

    __slots__ = ("_buckets", "_sum_s")

    def __init__(self) -> None:
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def add_to(self, family: HistogramMetricFamily, *labels: str) -> None:
        """Write it into a family of histograms, cumulated as Prometheus wants it."""
        names = [*map(str, BOUNDS_S), "+Inf"]
        family.add_metric(labels, list(zip(names, accumulate(self._buckets), strict=True)), self._sum_s)


class RequestCounters:
    """Requests by event and outcome, and their times by event."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._times: dict[str, DurationHistogram] = {}

    def add(self, event: str, outcome: str, seconds: float) -> None:
        """Count a request; names of both come from the contract's tables, so that clients cannot make labels."""
        key = event, outcome
        self._counts[key] = self._counts.get(key, 0) + 1
        timing = self._times.get(event)
        if timing is None:
            timing = self._times[event] = DurationHistogram()
        timing.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Give both metrics."""
        requests = CounterMetricFamily("chatws_events", "Requests by event and outcome.", labels=["event", "outcome"])
        for key, count in self._counts.items():
            requests.add_metric(key, count)
        yield requests
        seconds = HistogramMetricFamily("chatws_event_seconds", "Time to answer a request, by event.", labels=["event"])
        for event, timing in self._times.items():
            timing.add_to(seconds, event)
        yield seconds
