"""Counters and histograms of the server.

The hot path counts in plain numbers, which become metrics during a scrape. A message increments three counters and is
timed twice. With the objects of prometheus-client (a lock and several calls each) that took 8 % of the event loop's
time; with plain numbers it takes less than 1 %.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from chatws.protocol.entities import Role
from chatws.protocol.rest_spec import REST_COMMANDS
from chatws.protocol.spec import COMMANDS

UNKNOWN_EVENT = "unknown"
"""Label of event names that are not in the table, so that clients cannot create labels."""

AttemptOutcome = Literal["delivered", "rejected", "unreachable", "timeout"]
"""Outcome of a request to the webhook."""

_NAMES = frozenset({*COMMANDS, *REST_COMMANDS})

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper bounds of the buckets; a last bucket has no bound."""


class DurationHistogram:
    """Histogram of durations."""

    __slots__ = ("_buckets", "_sum_s")

    def __init__(self) -> None:
        self._buckets = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def add_to(self, family: HistogramMetricFamily, *labels: str) -> None:
        """Add the histogram with cumulated buckets to a metric family."""
        names = [*map(str, BOUNDS_S), "+Inf"]
        family.add_metric(labels, list(zip(names, accumulate(self._buckets), strict=True)), self._sum_s)


class RequestCounters:
    """Number of requests by event and outcome, and their durations by event."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._times: defaultdict[str, DurationHistogram] = defaultdict(DurationHistogram)

    def add(self, event: str, outcome: str, seconds: float) -> None:
        """Count a request; both labels come from the contract's tables, so that clients cannot create labels."""
        self._counts[event, outcome] += 1
        self._times[event].observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Yield the counter and the histogram."""
        requests = CounterMetricFamily("chatws_events", "Requests by event and outcome.", labels=["event", "outcome"])
        for key, count in self._counts.items():
            requests.add_metric(key, count)
        yield requests
        seconds = HistogramMetricFamily("chatws_event_seconds", "Time to answer a request, by event.", labels=["event"])
        for event, duration in self._times.items():
            duration.add_to(seconds, event)
        yield seconds


class Metrics:
    """Counters and histograms that the server's parts update; `ServerCollector` reads the others during a scrape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = RequestCounters()
        self.messages: dict[Role, int] = {"admin": 0, "customer": 0, "bot": 0}
        """Messages stored and delivered, by sender."""
        self.commit = DurationHistogram()
        """Durations from the call of the store until a message is durable."""
        self.bus_wait = DurationHistogram()
        """Times that joins and new connections waited for other servers."""
        answers = self._counter("chatws_bot_answers_total", "Questions to the bot, by outcome.", "outcome")
        outcomes = ("stored", "dropped", "failed", "handed_off")
        self.bot_answers = {outcome: answers.labels(outcome) for outcome in outcomes}
        self.gaps = self._counter("chatws_delivery_gaps_total", "Gaps in delivery that were found.")
        self.gaps_repaired = self._counter(
            "chatws_delivery_gaps_repaired_total", "Gaps in delivery that were filled from the database."
        )
        self.reconnects = self._counter("chatws_reconnects_total", "Connections of clients that reconnected.")
        attempts = self._counter("chatws_webhook_attempts_total", "Requests to the webhook, by outcome.", "outcome")
        self.webhook_attempts = {outcome: attempts.labels(outcome) for outcome in get_args(AttemptOutcome)}
        self.webhook_given_up = self._counter(
            "chatws_webhook_given_up_total", "Events that were too old and were deleted without being sent."
        )
        self.webhook_oldest = Gauge(
            "chatws_webhook_oldest_seconds", "Age of the oldest event to send.", registry=self.registry
        )
        recoveries = self._counter("chatws_recoveries_total", "Reconnections with an offset, by outcome.", "outcome")
        self.recoveries = {outcome: recoveries.labels(outcome) for outcome in ("recovered", "refused")}
        self.loop_lag = self._histogram("chatws_loop_lag_seconds", "Delay of a timer of the event loop.")

    def request(self, event: str, outcome: str, seconds: float) -> None:
        """Count a finished request."""
        self.requests.add(event if event in _NAMES else UNKNOWN_EVENT, outcome, seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, buckets=BOUNDS_S, registry=self.registry)
