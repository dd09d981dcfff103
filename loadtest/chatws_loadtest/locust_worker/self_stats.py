"""Statistics of the load process itself: event-loop lag, CPU time and memory."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import gevent

from chatws_loadtest import procfs
from chatws_loadtest.ipc import WorkerStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws_loadtest.locust_worker.user_pool import UserPool

LAG_INTERVAL_S = 0.02
STATS_INTERVAL_S = 1.0


def measure_loop_lag(pool: UserPool) -> None:
    """Record repeatedly how much later than requested a sleeping greenlet resumes."""
    samples = pool.shared.ledger.samples
    while True:
        due_s = time.perf_counter() + LAG_INTERVAL_S
        gevent.sleep(LAG_INTERVAL_S)
        samples.add("loop_lag", time.perf_counter() - due_s)


def discard_stats(pool: UserPool, is_needed: Callable[[], bool]) -> None:
    """Empty the buffers of measurements that nothing collects, which grow with each message."""
    while is_needed():
        collect_stats(pool)
        gevent.sleep(STATS_INTERVAL_S)


def collect_stats(pool: UserPool) -> WorkerStats:
    """Return the statistics since the last call, and the totals."""
    shared = pool.shared
    outages, shared.outages = shared.outages, []
    return WorkerStats(
        at_s=time.perf_counter(),
        samples=shared.ledger.samples.take(),
        outages=outages,
        connections=shared.connections,
        cpu_s=time.process_time(),
        rss_bytes=procfs.resident_bytes(os.getpid()),
        offered=pool.offered,
        sent=shared.ledger.sent,
        acked=shared.ledger.acked,
        requests=shared.requests,
        connect_error=shared.connect_error,
    )
