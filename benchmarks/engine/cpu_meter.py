"""CPU and messages between two moments: the server's, the generator's, everybody else's."""

from __future__ import annotations

import os
from dataclasses import dataclass

from benchmarks.engine.counters import DeliveryCounters, clock_s
from benchmarks.engine.results import Sample
from chatws_loadtest import procfs
from chatws_loadtest.samples import percentiles


@dataclass(frozen=True, slots=True)
class CpuReading:
    """Everything that counts up, at one moment; times in seconds."""

    at_s: float
    server_s: float
    generator_s: float
    machine_s: float
    acked: int
    delivered: int


def read(server_pid: int, tally: DeliveryCounters) -> CpuReading:
    """Read everything now."""
    return CpuReading(
        at_s=clock_s(),
        server_s=procfs.cpu_seconds(server_pid),
        generator_s=procfs.cpu_seconds(os.getpid()),
        machine_s=procfs.machine_busy_seconds(),
        acked=tally.acked,
        delivered=tally.delivered,
    )


def cores(begin: CpuReading, end: CpuReading) -> float:
    """Give the share of a core that the server used between two readings."""
    return (end.server_s - begin.server_s) / (end.at_s - begin.at_s)


def describe(begin: CpuReading, end: CpuReading, tally: DeliveryCounters) -> Sample:
    """Describe the load between two readings; the tally is settled and its times are those of this window."""
    window_s = end.at_s - begin.at_s
    server_s = end.server_s - begin.server_s
    generator_s = end.generator_s - begin.generator_s
    acked, delivered = end.acked - begin.acked, end.delivered - begin.delivered
    # The clocks tick apart, so a quiet machine can come out just below zero.
    other_s = max(0.0, end.machine_s - begin.machine_s - server_s - generator_s)
    return Sample(
        us_per_message=server_s / max(1, acked) * 1e6,
        us_per_delivery=server_s / max(1, delivered) * 1e6,
        messages_per_s=acked / window_s,
        deliveries_per_s=delivered / window_s,
        server_cores=server_s / window_s,
        generator_cores=generator_s / window_s,
        other_cores=other_s / window_s,
        ack=percentiles(tally.ack_us),
        peer=percentiles(tally.peer_us),
        lag=percentiles(tally.lag_us),
        faults=tally.faults(),
    )
