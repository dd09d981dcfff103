"""One run of the pairs benchmark: a new server under load, with the CPU time and the latencies measured."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.common.client import BenchmarkConnection
from benchmarks.common.cpu import CpuSnapshot, other_cores
from benchmarks.common.pair_load import PairLoad, open_idle, open_pairs, send_messages, settle
from benchmarks.common.schedule import MAX_LAG_P99_MS, clock_s
from chatws_loadtest import procfs
from chatws_loadtest.credentials import start_sessions
from chatws_loadtest.ledger import Balance, Ledger
from chatws_loadtest.samples import Percentiles, percentiles
from chatws_loadtest.server_process import ServerUnderTest

SETTLE_RSS_S: Final = 1.0


class PairRun(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one run; values in cores are CPU time per second of the measured window."""

    round: int
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
        """Whether the generator kept its schedule."""
        return self.lag.p99_ms <= MAX_LAG_P99_MS

    @property
    def is_clean(self) -> bool:
        """Whether no message was lost and no connection dropped."""
        return self.counts.is_clean and not self.dropped_connections


async def run_once(load: PairLoad, number: int, data_dir: Path, core: int | None) -> PairRun:
    """Start a server, pinned to a core if one is given, and measure it under load.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: the load could not be set up.
    """
    server = ServerUnderTest(data_dir, core)
    await server.start()
    try:
        return await _measure(load, number, server)
    finally:
        await server.stop()


async def _measure(load: PairLoad, number: int, server: ServerUnderTest) -> PairRun:
    sessions = await start_sessions(server.url, load.idle + load.conversations)
    rss_before, cpu_before = procfs.resident_bytes(server.pid), procfs.cpu_seconds(server.pid)
    idle = await open_idle([server.port], sessions[: load.idle])
    cpu_idle_s = procfs.cpu_seconds(server.pid) - cpu_before
    await asyncio.sleep(SETTLE_RSS_S)
    rss_idle = procfs.resident_bytes(server.pid) - rss_before

    ledger = Ledger()
    pairs = await open_pairs(load, server.keys, [(server.port, server.port)], sessions[load.idle :], ledger)
    start_s = clock_s()
    ledger.measure_from_s = start_s + load.warmup_s
    sending = asyncio.create_task(send_messages(load, pairs, start_s))
    await asyncio.sleep(load.warmup_s)
    begin = CpuSnapshot([server.pid])
    acked_before = ledger.acked
    await sending
    end = CpuSnapshot([server.pid])
    acked = ledger.acked - acked_before
    await settle(ledger)

    connections: list[BenchmarkConnection] = [*idle, *(member for pair in pairs for member in pair.members)]
    rss_mb = procfs.resident_bytes(server.pid) / 1e6
    dropped = sum(connection.ended.done() for connection in connections)
    for connection in connections:
        connection.close()
    samples = ledger.samples.take()
    window_s = end.at_s - begin.at_s
    server_s = end.servers_s[0] - begin.servers_s[0]
    return PairRun(
        round=number,
        counts=ledger.balance(),
        dropped_connections=dropped,
        ack=percentiles(samples.get("ack", [])),
        peer=percentiles(samples.get("message", [])),
        lag=percentiles(samples.get("send_lag", [])),
        server_us_per_message=server_s / max(1, acked) * 1e6,
        server_cores=server_s / window_s,
        generator_cores=(end.generator_s - begin.generator_s) / window_s,
        other_cores=other_cores(begin, end),
        connect_ms_per_idle=cpu_idle_s / max(1, load.idle) * 1e3,
        rss_kb_per_idle=rss_idle / max(1, load.idle) / 1e3,
        rss_mb=rss_mb,
    )
