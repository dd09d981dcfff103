"""How late this process itself is, and what it uses."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import gevent

from chatws_loadtest import procfs
from chatws_loadtest.ipc import Tick

if TYPE_CHECKING:
    from chatws_loadtest.locust_worker.user_pool import UserPool

BEAT_S = 0.02
TICK_S = 1.0


def feel_lag(stage: UserPool) -> None:
    """Note for ever how much later than asked for a sleeper wakes up."""
    samples = stage.books.ledger.samples
    while True:
        due_s = time.perf_counter() + BEAT_S
        gevent.sleep(BEAT_S)
        samples.add("loop_lag", time.perf_counter() - due_s)


def take_tick(stage: UserPool) -> Tick:
    """Hand over what happened since the last time."""
    books = stage.books
    outages, books.outages = books.outages, []
    return Tick(
        at_s=time.perf_counter(),
        samples=books.ledger.samples.take(),
        outages=outages,
        connections=books.connections,
        cpu_s=time.process_time(),
        rss_bytes=procfs.resident_bytes(os.getpid()),
        offered=stage.offered,
        sent=books.ledger.sent,
        acked=books.ledger.acked,
        requests=books.requests,
        failures=dict(books.failures),
        trouble=books.trouble,
    )
