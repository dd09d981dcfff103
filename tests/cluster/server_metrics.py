"""What requests waited for, as the servers themselves tell: what sends took beside their commits, and Redis."""

from __future__ import annotations

import urllib.request
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, Self

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.server import ServerProcess

LONG_S = 0.1
"""A wait that only a broker which hangs explains."""

TOO_LONG_S = 0.5
"""Servers wait for Redis 250 ms at most; the rest is for a machine that wakes them late. Both are bounds of buckets."""


class Toll(NamedTuple):
    """Sums over some servers since their start, or between two looks."""

    sends: float
    beside_commits_s: float
    """What sends took in all, without their commits."""
    long_waits: float
    """Waits for Redis of more than `LONG_S`."""
    too_long_waits: float

    def since(self, earlier: Self) -> Toll:
        """Return what came after an earlier look."""
        return Toll(*(now - before for now, before in zip(self, earlier, strict=True)))


def read_toll(servers: Iterable[ServerProcess]) -> Toll:
    """Ask every server; blocks."""
    values: defaultdict[str, float] = defaultdict(float)
    for server in servers:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as response:  # noqa: S310 - our own
            text = response.read().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = " ".join((sample.name, *sample.labels.values()))
                values[key] += sample.value
    waits = values["chatws_bus_wait_seconds_count"]
    return Toll(
        sends=values["chatws_event_seconds_count send_message"],
        beside_commits_s=values["chatws_event_seconds_sum send_message"] - values["chatws_commit_seconds_sum"],
        long_waits=waits - values[f"chatws_bus_wait_seconds_bucket {LONG_S}"],
        too_long_waits=waits - values[f"chatws_bus_wait_seconds_bucket {TOO_LONG_S:g}"],
    )
