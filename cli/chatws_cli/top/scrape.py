"""Parser of ``/metrics`` responses, for the metrics that ``chatws top`` shows."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

Buckets = dict[float, float]
"""Non-cumulative request counts by upper bound of their bucket in seconds."""

_Samples = dict[str, list[tuple["Mapping[str, str]", float]]]


class Scrape(NamedTuple):
    """Metrics of one server at one time; None for metrics it does not expose. Counters start with the server."""

    at_s: float
    started_s: float | None
    draining: bool
    connections: int
    rooms: int
    messages: float
    requests: Buckets
    outbox_bytes: float | None
    bus_lag_s: float | None
    """None also while the server is not connected to the bus."""
    gaps: float | None
    cpu_s: float | None
    rss_bytes: float | None


class NotChatwsMetrics(ValueError):
    """The response contains no metrics of chatws."""


def read(text: str, at_s: float) -> Scrape:
    """Parse the text format of Prometheus.

    Raises:
        NotChatwsMetrics: the text is not in that format, or from another program.
    """
    samples: _Samples = defaultdict(list)
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples[sample.name].append((sample.labels, sample.value))
    except ValueError as problem:
        raise NotChatwsMetrics(str(problem)) from None
    if "chatws_connections" not in samples:
        raise NotChatwsMetrics("these are no metrics of chatws")
    has_bus = _sum(samples, "chatws_bus_connected") == 1
    return Scrape(
        at_s=at_s,
        started_s=_sum(samples, "process_start_time_seconds"),
        draining=_sum(samples, "chatws_draining") == 1,
        connections=round(_sum(samples, "chatws_connections") or 0),
        rooms=round(_sum(samples, "chatws_conversations") or 0),
        messages=_sum(samples, "chatws_messages_total") or 0,
        requests=_buckets(samples),
        outbox_bytes=_sum(samples, "chatws_outbox_bytes"),
        bus_lag_s=_sum(samples, "chatws_bus_lag_seconds") if has_bus else None,
        gaps=_sum(samples, "chatws_delivery_gaps_total"),
        cpu_s=_sum(samples, "process_cpu_seconds_total"),
        rss_bytes=_sum(samples, "process_resident_memory_bytes"),
    )


def _sum(samples: _Samples, name: str) -> float | None:
    return sum(value for _, value in samples[name]) if name in samples else None


def _buckets(samples: _Samples) -> Buckets:
    cumulated: Buckets = defaultdict(float)
    for labels, value in samples["chatws_event_seconds_bucket"]:
        cumulated[float(labels["le"])] += value
    bounds = sorted(cumulated)
    counts = {above: cumulated[above] - cumulated[below] for below, above in pairwise(bounds)}
    return {bounds[0]: cumulated[bounds[0]], **counts} if bounds else {math.inf: 0.0}
