"""Every metric of the server, declared once; counters that others keep are read when Prometheus asks."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from chatws.protocol.errors import ErrorCode
from chatws.protocol.operations import REST_COMMANDS
from chatws.protocol.spec import COMMANDS

LATENCY_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

UNKNOWN_EVENT = "unknown"
"""Label of every event name that is not in the table, so that clients cannot make labels."""


class Metrics:
    """The server's own counters, with children bound once: an unbound lookup costs three times the count."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        requests = Counter(
            "chatws_events_total", "Requests by event and outcome.", ["event", "outcome"], registry=self.registry
        )
        seconds = Histogram(
            "chatws_event_seconds",
            "Time to answer a request, by event.",
            ["event"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        names = (*COMMANDS, *REST_COMMANDS, UNKNOWN_EVENT)
        outcomes = ("ok", *ErrorCode)
        self._outcome = {(name, outcome): requests.labels(name, outcome) for name in names for outcome in outcomes}
        self._seconds = {name: seconds.labels(name) for name in names}
        self.commit = Histogram(
            "chatws_commit_seconds",
            "Time from handing a message to the store until it is durable.",
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.gaps = Counter(
            "chatws_delivery_gaps_total", "Holes in delivery that were found and repaired.", registry=self.registry
        )
        self.reconnects = Counter(
            "chatws_reconnections_total", "Users who came back within the presence grace.", registry=self.registry
        )
        self.loop_lag = Histogram(
            "chatws_loop_lag_seconds",
            "How late the event loop ran a timer.",
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )

    def request(self, event: str, outcome: str, seconds: float) -> None:
        """Count a request that was answered."""
        name = event if event in self._seconds else UNKNOWN_EVENT
        self._outcome[name, outcome].inc()
        self._seconds[name].observe(seconds)
