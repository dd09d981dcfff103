"""One run of the raw benchmark: a fresh server, the load, and what both of them used and saw."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec

from benchmarks.common.client import BenchmarkConnection
from benchmarks.common.pair_load import Load, clock_s, open_idle, open_pairs, settle, talk
from chatws_loadtest import procfs
from chatws_loadtest.credentials import start_sessions
from chatws_loadtest.ledger import Balance, Ledger
from chatws_loadtest.samples import Percentiles, percentiles
from chatws_loadtest.server_process import ServerUnderTest

MAX_LAG_P99_MS = 20.0
"""A generator later than this in one send of a hundred measures itself."""

SETTLE_RSS_S = 1.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured; CPU in cores is time used per second of the window."""

    counts: Balance
    dropped_connections: int
    ack: Percentiles
    peer: Percentiles
    lag: Percentiles
    server_us_per_message: float
    server_cores: float
    generator_cores: float
    other_cores: float
    connect_ms_per_idle: float
    rss_kb_per_idle: float
    rss_mb: float

    @property
    def is_valid(self) -> bool:
        return self.lag.p99_ms <= MAX_LAG_P99_MS

    @property
    def is_clean(self) -> bool:
        return self.counts.is_clean and not self.dropped_connections


class CpuMark:
    """CPU used so far by the server, by this process and by the machine, at one moment."""

    def __init__(self, server_pid: int) -> None:
        self.at_s = clock_s()
        self.server_s = procfs.cpu_seconds(server_pid)
        self.generator_s = procfs.cpu_seconds(os.getpid())
        self.machine_s = procfs.machine_busy_seconds()


async def run_once(load: Load, data_dir: Path, core: int | None) -> Run:
    """Start a server (on one core if one is given), put the load on it, and measure.

    Raises:
        SubjectFailed, PeopleMissing, ConnectionFailed, LoadFailed: the load could not be built up.
    """
    subject = ServerUnderTest(data_dir, core)
    await subject.start()
    try:
        return await _measure(load, subject)
    finally:
        await subject.stop()


async def _measure(load: Load, subject: ServerUnderTest) -> Run:
    sessions = await start_sessions(subject.url, load.idle + load.conversations)
    rss_before, cpu_before = procfs.resident_bytes(subject.pid), procfs.cpu_seconds(subject.pid)
    idle = await open_idle([subject.port], sessions[: load.idle])
    cpu_idle_s = procfs.cpu_seconds(subject.pid) - cpu_before
    await asyncio.sleep(SETTLE_RSS_S)
    rss_idle = procfs.resident_bytes(subject.pid) - rss_before

    ledger = Ledger()
    pairs = await open_pairs(load, subject.keys, [(subject.port, subject.port)], sessions[load.idle :], ledger)
    start_s = clock_s()
    ledger.measure_from_s = start_s + load.warmup_s
    talking = asyncio.create_task(talk(load, pairs, start_s))
    await asyncio.sleep(load.warmup_s)
    begin = CpuMark(subject.pid)
    acked_before = ledger.acked
    await talking
    end = CpuMark(subject.pid)
    acked = ledger.acked - acked_before
    await settle(ledger)

    connections: list[BenchmarkConnection] = [*idle, *(member for pair in pairs for member in pair.members)]
    rss_mb = procfs.resident_bytes(subject.pid) / 1e6
    dropped = sum(connection.ended.done() for connection in connections)
    for connection in connections:
        connection.close()
    samples = ledger.samples.take()
    window_s = end.at_s - begin.at_s
    server_s, generator_s = end.server_s - begin.server_s, end.generator_s - begin.generator_s
    return Run(
        counts=ledger.balance(),
        dropped_connections=dropped,
        ack=percentiles(samples.get("ack", [])),
        peer=percentiles(samples.get("message", [])),
        lag=percentiles(samples.get("send_lag", [])),
        server_us_per_message=server_s / max(1, acked) * 1e6,
        server_cores=server_s / window_s,
        generator_cores=generator_s / window_s,
        # The two clocks tick apart, so a quiet machine can come out just below zero.
        other_cores=max(0.0, end.machine_s - begin.machine_s - server_s - generator_s) / window_s,
        connect_ms_per_idle=cpu_idle_s / max(1, load.idle) * 1e3,
        rss_kb_per_idle=rss_idle / max(1, load.idle) / 1e3,
        rss_mb=rss_mb,
    )
