"""Statistics of servers, computed from two successive scrapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, TypeVar

import msgspec

from chatws_cli.top.scrape import Buckets, Scrape

Number = TypeVar("Number", int, float)
State = Literal["ok", "draining", "away"]


class ServerStats(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Row of the table; None for unknown values. Rates and latencies cover the last interval."""

    server: str
    state: State
    why: str | None = None
    """Reason of the state ``away``."""
    connections: int | None = None
    messages_per_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    rooms: int | None = None
    outbox_bytes: int | None = None
    bus_lag_ms: float | None = None
    gaps: int | None = None
    """Delivery gaps since the start of the server."""
    cpu_percent: float | None = None
    """Percent of one core."""
    rss_bytes: int | None = None


class Interval(msgspec.Struct, frozen=True):
    """Difference between two scrapes of a server."""

    seconds: float
    messages: float
    requests: Buckets
    cpu_s: float | None


def between(before: Scrape | None, now: Scrape) -> Interval | None:
    """Subtract two scrapes; None without an earlier one, or after a restart of the server."""
    if before is None or before.started_s != now.started_s or now.at_s <= before.at_s:
        return None
    return Interval(
        seconds=now.at_s - before.at_s,
        messages=now.messages - before.messages,
        requests={bound: count - before.requests.get(bound, 0.0) for bound, count in now.requests.items()},
        cpu_s=None if now.cpu_s is None or before.cpu_s is None else now.cpu_s - before.cpu_s,
    )


def stats_of(server: str, now: Scrape, interval: Interval | None) -> ServerStats:
    """Return the statistics of one server."""
    row = ServerStats(
        server=server,
        state="draining" if now.draining else "ok",
        connections=now.connections,
        rooms=now.rooms,
        outbox_bytes=_whole(now.outbox_bytes),
        bus_lag_ms=None if now.bus_lag_s is None else now.bus_lag_s * 1_000,
        gaps=_whole(now.gaps),
        rss_bytes=_whole(now.rss_bytes),
    )
    if interval is None:
        return row
    return msgspec.structs.replace(
        row,
        messages_per_s=interval.messages / interval.seconds,
        p50_ms=quantile_ms(interval.requests, 0.50),
        p99_ms=quantile_ms(interval.requests, 0.99),
        cpu_percent=None if interval.cpu_s is None else 100 * interval.cpu_s / interval.seconds,
    )


def total_of(rows: Sequence[ServerStats], intervals: Sequence[Interval]) -> ServerStats:
    """Return the total of all servers: sums, latencies of all requests, and the longest lag.

    A conversation is counted once for each server with a member of it.
    """
    answering = [row for row in rows if row.state != "away"]
    requests: Counter[float] = Counter()
    for interval in intervals:
        requests.update(interval.requests)
    lags = [row.bus_lag_ms for row in answering if row.bus_lag_ms is not None]
    return ServerStats(
        server="total",
        state="ok" if len(answering) == len(rows) else "away",
        why=None if len(answering) == len(rows) else f"{len(rows) - len(answering)} of {len(rows)}",
        connections=_total([row.connections for row in answering]),
        messages_per_s=_total([row.messages_per_s for row in answering]),
        p50_ms=quantile_ms(requests, 0.50),
        p99_ms=quantile_ms(requests, 0.99),
        rooms=_total([row.rooms for row in answering]),
        outbox_bytes=_total([row.outbox_bytes for row in answering]),
        bus_lag_ms=max(lags, default=None),
        gaps=_total([row.gaps for row in answering]),
        cpu_percent=_total([row.cpu_percent for row in answering]),
        rss_bytes=_total([row.rss_bytes for row in answering]),
    )


def quantile_ms(requests: Buckets | Counter[float], share: float) -> float | None:
    """Interpolate a quantile inside its bucket, as Prometheus's histogram_quantile does; None without requests."""
    bounds = sorted(requests)
    whole = sum(requests.values())
    if whole <= 0:
        return None
    lower = 0.0
    for bound, reached in zip(bounds, accumulate(requests[bound] for bound in bounds), strict=True):
        if reached >= share * whole:
            if bound == float("inf"):
                break
            inside = requests[bound]
            return 1_000 * (lower + (bound - lower) * (share * whole - (reached - inside)) / inside)
        lower = bound
    return 1_000 * lower


def _whole(number: float | None) -> int | None:
    return None if number is None else round(number)


def _total(numbers: Sequence[Number | None]) -> Number | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
