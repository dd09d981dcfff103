"""Metrics of the servers: durations of sends without their commits, and waits for Redis."""

from __future__ import annotations

import urllib.request
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, Self

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.server import ServerProcess

LONG_S = 0.1
"""Only a stalled broker causes a longer wait."""

TOO_LONG_S = 0.5
"""Servers wait 250 ms for Redis at most; the rest allows for a busy machine. Both values are bucket bounds."""


class WaitMetrics(NamedTuple):
    """Sums over some servers since their start, or between two reads."""

    sends: float
    outside_commits_s: float
    """Total duration of sends without their commits."""
    long_waits: float
    """Waits for Redis of more than `LONG_S`."""
    too_long_waits: float

    def since(self, earlier: Self) -> WaitMetrics:
        """Return the increase since an earlier read."""
        return WaitMetrics(*(now - before for now, before in zip(self, earlier, strict=True)))


def read_wait_metrics(servers: Iterable[ServerProcess]) -> WaitMetrics:
    """Read the metrics of every server; blocks."""
    values: defaultdict[str, float] = defaultdict(float)
    for server in servers:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as response:  # noqa: S310  the test's own server
            text = response.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = " ".join((sample.name, *sample.labels.values()))
                values[key] += sample.value
    waits = values["chatws_bus_wait_seconds_count"]
    return WaitMetrics(
        sends=values["chatws_event_seconds_count send_message"],
        outside_commits_s=values["chatws_event_seconds_sum send_message"] - values["chatws_commit_seconds_sum"],
        long_waits=waits - values[f"chatws_bus_wait_seconds_bucket {LONG_S}"],
        too_long_waits=waits - values[f"chatws_bus_wait_seconds_bucket {TOO_LONG_S:g}"],
    )
