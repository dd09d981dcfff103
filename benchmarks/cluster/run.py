"""Measurement of one layout, and of a server beside two others that host busy conversations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.cluster.results import ClusterPlan, ClusterRun, IsolationStep, Layout
from benchmarks.common.client import BenchmarkConnection
from benchmarks.common.cpu import CpuSnapshot, other_cores
from benchmarks.common.pair_load import Pair, PairLoad, open_idle, open_pairs, send_messages, settle
from benchmarks.common.schedule import clock_s
from chatws_loadtest import procfs
from chatws_loadtest.credentials import start_sessions
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.samples import percentiles
from chatws_loadtest.server_process import ServerUnderTest

SERVERS: Final = 3
SETTLE_RSS_S: Final = 1.0
OWN_CONVERSATIONS: Final = 10
"""Conversations of the server beside the busy ones, with one message per second each."""


@dataclass(frozen=True, slots=True)
class SharedServices:
    """Database and Redis of the servers; process ids if they run on this machine, to read their CPU time."""

    database_url: str
    redis_url: str
    postgres_pid: int | None
    redis_pid: int | None


class ClusterCpuSnapshot(CpuSnapshot):
    """CPU seconds used so far by all processes of the benchmark, read at one moment."""

    def __init__(self, servers: Sequence[ServerUnderTest], services: SharedServices) -> None:
        super().__init__([server.pid for server in servers])
        self.postgres_s = None if services.postgres_pid is None else procfs.family_cpu_seconds(services.postgres_pid)
        self.redis_s = None if services.redis_pid is None else procfs.cpu_seconds(services.redis_pid)

    def other_s(self) -> float:
        return super().other_s() - (self.postgres_s or 0.0) - (self.redis_s or 0.0)


async def run_layout(
    plan: ClusterPlan, layout: Layout, number: int, services: SharedServices, *, data_dir: Path, core: int | None
) -> ClusterRun:
    """Start the servers of a layout and measure them under load.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: the load could not be set up.
    """
    count = 1 if layout is Layout.ONE else SERVERS
    async with _started_servers(count, services, data_dir, core) as servers:
        ports = [server.port for server in servers]
        sessions = await start_sessions(servers[0].url, plan.idle + plan.conversations)
        rss = sum(procfs.resident_bytes(server.pid) for server in servers)
        before = ClusterCpuSnapshot(servers, services)
        idle = await open_idle(ports, sessions[: plan.idle])
        connected = ClusterCpuSnapshot(servers, services)
        await asyncio.sleep(SETTLE_RSS_S)
        idle_bytes = sum(procfs.resident_bytes(server.pid) for server in servers) - rss

        ledger = Ledger()
        load = _pair_load(plan, plan.rate)
        member_ports = [(ports[index], ports[(index + (layout is Layout.APART)) % count]) for index in range(count)]
        pairs = await open_pairs(load, servers[0].keys, member_ports, sessions[plan.idle :], ledger)
        begin, end, acked = await _measure(load, pairs, ledger, servers, services)
        _close(idle, pairs)
    samples = ledger.samples.take()
    window_s = end.at_s - begin.at_s
    return ClusterRun(
        layout=layout,
        round=number,
        messages_per_s=acked / window_s,
        us_per_message=(sum(end.servers_s) - sum(begin.servers_s)) / max(1, acked) * 1e6,
        postgres_us_per_message=_us_per_message(begin.postgres_s, end.postgres_s, acked),
        redis_us_per_message=_us_per_message(begin.redis_s, end.redis_s, acked),
        connect_ms=(sum(connected.servers_s) - sum(before.servers_s)) / max(1, plan.idle) * 1e3,
        idle_kb=idle_bytes / max(1, plan.idle) / 1e3,
        ack=percentiles(samples.get("ack", [])),
        peer=percentiles(samples.get("message", [])),
        lag=percentiles(samples.get("send_lag", [])),
        counts=ledger.balance(),
        generator_cores=(end.generator_s - begin.generator_s) / window_s,
        other_cores=other_cores(begin, end),
    )


async def run_isolation(
    plan: ClusterPlan, rates: Sequence[float], services: SharedServices, *, data_dir: Path, core: int | None
) -> list[IsolationStep]:
    """Measure one of three servers while the other two host conversations with each of the rates in turn.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: the load could not be set up.
    """
    async with _started_servers(SERVERS, services, data_dir, core) as servers:
        *busy, own_port = [server.port for server in servers]
        sessions = await start_sessions(servers[0].url, plan.idle + plan.conversations + OWN_CONVERSATIONS)
        idle = await open_idle([own_port], sessions[: plan.idle])
        own_sessions = sessions[plan.idle :][:OWN_CONVERSATIONS]
        other_sessions = sessions[plan.idle + OWN_CONVERSATIONS :]
        own_ledger, other_ledger = Ledger(), Ledger()
        keys = servers[0].keys
        own_load = _pair_load(plan, 1)
        own = await open_pairs(own_load, keys, [(own_port, own_port)], own_sessions, own_ledger)
        # The members of each of the other conversations are on different servers.
        other_ports = [(busy[0], busy[1]), (busy[1], busy[0])]
        others = await open_pairs(_pair_load(plan, 1), keys, other_ports, other_sessions, other_ledger)
        steps = []
        for rate in rates:
            sending = asyncio.create_task(send_messages(own_load, own, clock_s()))
            acked_before = own_ledger.acked
            begin, end, acked = await _measure(_pair_load(plan, rate), others, other_ledger, servers, services)
            await sending
            await settle(own_ledger)
            window_s = end.at_s - begin.at_s
            own_lag, other_lag = own_ledger.samples.take()["send_lag"], other_ledger.samples.take().get("send_lag", [])
            steps.append(
                IsolationStep(
                    others_messages_per_s=acked / window_s,
                    own_messages_per_s=(own_ledger.acked - acked_before) / (plan.warmup_s + plan.window_s),
                    own_cores=(end.servers_s[-1] - begin.servers_s[-1]) / window_s,
                    others_cores=(sum(end.servers_s[:-1]) - sum(begin.servers_s[:-1])) / window_s,
                    lag=percentiles([*own_lag, *other_lag]),
                    counts=own_ledger.balance() + other_ledger.balance(),
                )
            )
        _close(idle, [*own, *others])
        return steps


@asynccontextmanager
async def _started_servers(
    count: int, services: SharedServices, data_dir: Path, core: int | None
) -> AsyncIterator[list[ServerUnderTest]]:
    """Run servers with shared services, all pinned to the same core if one is given, so that layouts are comparable."""
    options = ("--database-url", services.database_url, "--redis-url", services.redis_url)
    servers = [ServerUnderTest(data_dir, core, *options) for _ in range(count)]
    started: list[ServerUnderTest] = []
    try:
        for server in servers:
            await server.start()
            started.append(server)
        yield servers
    finally:
        await asyncio.gather(*(server.stop() for server in started))


async def _measure(
    load: PairLoad, pairs: list[Pair], ledger: Ledger, servers: Sequence[ServerUnderTest], services: SharedServices
) -> tuple[ClusterCpuSnapshot, ClusterCpuSnapshot, int]:
    """Run the load; return snapshots of the window's begin and end, and the number of messages acked within it."""
    start_s = clock_s()
    ledger.measure_from_s = start_s + load.warmup_s
    sending = asyncio.create_task(send_messages(load, pairs, start_s))
    await asyncio.sleep(load.warmup_s)
    begin, acked_before = ClusterCpuSnapshot(servers, services), ledger.acked
    await asyncio.gather(sending, asyncio.sleep(load.duration_s))
    end, acked = ClusterCpuSnapshot(servers, services), ledger.acked - acked_before
    await settle(ledger)
    return begin, end, acked


def _pair_load(plan: ClusterPlan, rate: float) -> PairLoad:
    return PairLoad(
        idle=0,
        conversations=0,
        rate=rate,
        warmup_s=plan.warmup_s,
        duration_s=plan.window_s,
        agents=plan.agents,
        content_chars=plan.content_chars,
        seed=1,
    )


def _close(idle: Sequence[BenchmarkConnection], pairs: Sequence[Pair]) -> None:
    for connection in [*idle, *(member for pair in pairs for member in pair.members)]:
        connection.close()


def _us_per_message(begin_s: float | None, end_s: float | None, messages: int) -> float | None:
    return None if begin_s is None or end_s is None else (end_s - begin_s) / max(1, messages) * 1e6
