"""Measurement of CPU time and message counts between two moments of a load."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.common.schedule import clock_s
from benchmarks.engine.counters import DeliveryCounters
from benchmarks.engine.results import LoadSample
from benchmarks.engine.thread_meter import ThreadGroup, ThreadTimes, divide_times, read_thread_times
from chatws_loadtest import procfs
from chatws_loadtest.samples import percentiles


@dataclass(frozen=True, slots=True)
class CpuReading:
    """Cumulative CPU times in seconds and message counts at one moment."""

    at_s: float
    server_s: float
    generator_s: float
    machine_s: float
    threads: ThreadTimes
    acked: int
    delivered: int


def read(server_pid: int, groups: Mapping[int, ThreadGroup], counters: DeliveryCounters) -> CpuReading:
    """Read the CPU times and counters now; ``groups`` are those of the server's threads."""
    return CpuReading(
        at_s=clock_s(),
        server_s=procfs.cpu_seconds(server_pid),
        generator_s=procfs.cpu_seconds(os.getpid()),
        machine_s=procfs.machine_busy_seconds(),
        threads=read_thread_times(server_pid, groups),
        acked=counters.acked,
        delivered=counters.delivered,
    )


def cores(begin: CpuReading, end: CpuReading) -> float:
    """Return the share of a core that the server used between two readings."""
    return (end.server_s - begin.server_s) / (end.at_s - begin.at_s)


def describe(begin: CpuReading, end: CpuReading, counters: DeliveryCounters) -> LoadSample:
    """Describe the load between two readings.

    The counters must be settled, and hold the latencies of this window only.
    """
    window_s = end.at_s - begin.at_s
    server_s = end.server_s - begin.server_s
    generator_s = end.generator_s - begin.generator_s
    acked, delivered = end.acked - begin.acked, end.delivered - begin.delivered
    # The clocks have different resolutions: on an idle machine the difference can be slightly below zero.
    other_s = max(0.0, end.machine_s - begin.machine_s - server_s - generator_s)
    return LoadSample(
        us_per_message=server_s / max(1, acked) * 1e6,
        us_per_delivery=server_s / max(1, delivered) * 1e6,
        threads_us_per_message=divide_times(begin.threads, end.threads, acked),
        threads_us_per_delivery=divide_times(begin.threads, end.threads, delivered),
        messages_per_s=acked / window_s,
        deliveries_per_s=delivered / window_s,
        server_cores=server_s / window_s,
        generator_cores=generator_s / window_s,
        other_cores=other_s / window_s,
        ack=percentiles(counters.ack_us),
        peer=percentiles(counters.peer_us),
        lag=percentiles(counters.lag_us),
        errors=counters.errors(),
    )
