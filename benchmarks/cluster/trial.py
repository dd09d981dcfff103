"""Runs one layout, and the look at a server whose neighbours are busy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster.results import ClusterPlan, ClusterRun, ClusterStep, Layout
from benchmarks.common.client import BenchmarkConnection
from benchmarks.common.pair_load import Load, Pair, clock_s, open_idle, open_pairs, settle, talk
from chatws_loadtest import procfs
from chatws_loadtest.credentials import start_sessions
from chatws_loadtest.ledger import Ledger
from chatws_loadtest.samples import percentiles
from chatws_loadtest.server_process import ServerUnderTest

SERVERS = 3
SETTLE_RSS_S = 1.0
OWN_CONVERSATIONS = 10
"""Of the server whose neighbours are busy; one message a second each."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the servers share; process ids when the services run here and their CPU can be read."""

    database_url: str
    redis_url: str
    postgres_pid: int | None
    redis_pid: int | None


class CpuSnapshot:
    """CPU used so far, by whom, at one moment."""

    def __init__(self, subjects: Sequence[ServerUnderTest], services: Services) -> None:
        self.at_s = clock_s()
        self.servers = [procfs.cpu_seconds(subject.pid) for subject in subjects]
        self.postgres = None if services.postgres_pid is None else procfs.family_cpu_seconds(services.postgres_pid)
        self.redis = None if services.redis_pid is None else procfs.cpu_seconds(services.redis_pid)
        self.generator = procfs.cpu_seconds(os.getpid())
        self.machine = procfs.machine_busy_seconds()

    def others(self) -> float:
        """CPU of everything on the machine that is no part of the benchmark."""
        return self.machine - sum(self.servers) - self.generator - (self.postgres or 0.0) - (self.redis or 0.0)


async def run_trial(
    plan: ClusterPlan, layout: Layout, number: int, services: Services, *, data_dir: Path, core: int | None
) -> ClusterRun:
    """Start the servers of a layout, put the load on them, and measure."""
    count = 1 if layout is Layout.ONE else SERVERS
    async with _servers(count, services, data_dir, core) as subjects:
        ports = [subject.port for subject in subjects]
        sessions = await start_sessions(subjects[0].url, plan.idle + plan.conversations)
        rss = sum(procfs.resident_bytes(subject.pid) for subject in subjects)
        before = CpuSnapshot(subjects, services)
        idle = await open_idle(ports, sessions[: plan.idle])
        connected = CpuSnapshot(subjects, services)
        await asyncio.sleep(SETTLE_RSS_S)
        idle_bytes = sum(procfs.resident_bytes(subject.pid) for subject in subjects) - rss

        ledger = Ledger()
        load = _load(plan, plan.rate)
        places = [(ports[index], ports[(index + (layout is Layout.APART)) % count]) for index in range(count)]
        pairs = await open_pairs(load, subjects[0].keys, places, sessions[plan.idle :], ledger)
        begin, end, acked = await _measure(load, pairs, ledger, subjects, services)
        _close(idle, pairs)
    samples = ledger.samples.take()
    window_s = end.at_s - begin.at_s
    return ClusterRun(
        layout=layout,
        round=number,
        messages_per_s=acked / window_s,
        us_per_message=(sum(end.servers) - sum(begin.servers)) / max(1, acked) * 1e6,
        postgres_us_per_message=_us_each(begin.postgres, end.postgres, acked),
        redis_us_per_message=_us_each(begin.redis, end.redis, acked),
        connect_ms=(sum(connected.servers) - sum(before.servers)) / max(1, plan.idle) * 1e3,
        idle_kb=idle_bytes / max(1, plan.idle) / 1e3,
        ack=percentiles(samples.get("ack", [])),
        peer=percentiles(samples.get("message", [])),
        lag=percentiles(samples.get("send_lag", [])),
        counts=ledger.balance(),
        generator_cores=(end.generator - begin.generator) / window_s,
        # The clocks tick apart, so a quiet machine can come out just below zero.
        other_cores=max(0.0, end.others() - begin.others()) / window_s,
    )


async def run_isolation(
    plan: ClusterPlan, rates: Sequence[float], services: Services, *, data_dir: Path, core: int | None
) -> list[ClusterStep]:
    """Have two of three servers carry more and more messages, and look at the third, which hosts none of them."""
    async with _servers(SERVERS, services, data_dir, core) as subjects:
        *busy, quiet = [subject.port for subject in subjects]
        sessions = await start_sessions(subjects[0].url, plan.idle + plan.conversations + OWN_CONVERSATIONS)
        idle = await open_idle([quiet], sessions[: plan.idle])
        own_sessions, other_sessions = (
            sessions[plan.idle :][:OWN_CONVERSATIONS],
            sessions[plan.idle + OWN_CONVERSATIONS :],
        )
        own_ledger, other_ledger = Ledger(), Ledger()
        keys = subjects[0].keys
        own = await open_pairs(_load(plan, 1), keys, [(quiet, quiet)], own_sessions, own_ledger)
        # Each busy conversation has a member on either busy server.
        others = await open_pairs(
            _load(plan, 1), keys, [(busy[0], busy[1]), (busy[1], busy[0])], other_sessions, other_ledger
        )
        steps = []
        for rate in rates:
            talking = asyncio.create_task(talk(_load(plan, 1), own, clock_s()))
            acked_before = own_ledger.acked
            begin, end, acked = await _measure(_load(plan, rate), others, other_ledger, subjects, services)
            await talking
            await settle(own_ledger)
            window_s = end.at_s - begin.at_s
            steps.append(
                ClusterStep(
                    others_messages_per_s=acked / window_s,
                    own_messages_per_s=(own_ledger.acked - acked_before) / (plan.warmup_s + plan.window_s),
                    own_cores=(end.servers[-1] - begin.servers[-1]) / window_s,
                    others_cores=(sum(end.servers[:-1]) - sum(begin.servers[:-1])) / window_s,
                    lag=percentiles(
                        [*own_ledger.samples.take()["send_lag"], *other_ledger.samples.take().get("send_lag", [])]
                    ),
                    counts=own_ledger.balance() + other_ledger.balance(),
                )
            )
        _close(idle, [*own, *others])
        return steps


@asynccontextmanager
async def _servers(
    count: int, services: Services, data_dir: Path, core: int | None
) -> AsyncIterator[list[ServerUnderTest]]:
    """Run servers that share everything; all on one core if one is given, so that layouts differ in nothing else."""
    options = ("--database-url", services.database_url, "--redis-url", services.redis_url)
    subjects = [ServerUnderTest(data_dir, core, *options) for _ in range(count)]
    started: list[ServerUnderTest] = []
    try:
        for subject in subjects:
            await subject.start()
            started.append(subject)
        yield subjects
    finally:
        await asyncio.gather(*(subject.stop() for subject in started))


async def _measure(
    load: Load, pairs: list[Pair], ledger: Ledger, subjects: Sequence[ServerUnderTest], services: Services
) -> tuple[CpuSnapshot, CpuSnapshot, int]:
    """Have the pairs talk; return where the window began and ended, and how many messages were acked in it."""
    start_s = clock_s()
    ledger.measure_from_s = start_s + load.warmup_s
    talking = asyncio.create_task(talk(load, pairs, start_s))
    await asyncio.sleep(load.warmup_s)
    begin, acked_before = CpuSnapshot(subjects, services), ledger.acked
    await asyncio.gather(talking, asyncio.sleep(load.duration_s))
    end, acked = CpuSnapshot(subjects, services), ledger.acked - acked_before
    await settle(ledger)
    return begin, end, acked


def _load(plan: ClusterPlan, rate: float) -> Load:
    return Load(
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


def _us_each(begin_s: float | None, end_s: float | None, messages: int) -> float | None:
    return None if begin_s is None or end_s is None else (end_s - begin_s) / max(1, messages) * 1e6
