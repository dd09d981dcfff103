"""Measurement of one server: idle connections, pairs, rooms of fifty, and pairs with idle connections."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.engine import cpu_meter
from benchmarks.engine.counters import DeliveryCounters
from benchmarks.engine.credentials import start_sessions
from benchmarks.engine.fast_client import FastConnection
from benchmarks.engine.implementations import RunningServer, ServerImplementation, start
from benchmarks.engine.load import (
    BenchmarkRoom,
    close_all,
    open_idle,
    open_rooms,
    pace,
    saturate,
    settle,
)
from benchmarks.engine.results import EngineRow, EngineRun, Growth, GrowthStep, IdleCost, LoadSample
from benchmarks.engine.thread_meter import ThreadGroup, divide_times, group_threads
from chatws_loadtest import procfs

PAIR: Final = 2
WARMUP_TIMEOUT_S: Final = 20.0
SETTLE_S: Final = 1.0
"""Wait after connections were opened or closed, so that the server's deferred work is done."""


class EnginePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and durations of the loads; rates are messages per second of the whole load."""

    rows: tuple[EngineRow, ...] = tuple(EngineRow)
    baseline: str | None = None
    """Program of the version of chatws that this one is compared with."""
    window_s: float
    warmup_s: float = 2.0
    idle_warmup: int = 200
    """Connections opened and closed before the measured ones, because the first ones fill caches."""
    idle: int
    pairs: int = 250
    warmup_messages: int = 5_000
    """Messages between pairs before the measured ones, because Node compiles code that runs often; fewer if they take
    longer than `WARMUP_TIMEOUT_S`."""
    pairs_per_s: float
    pairs_in_flight: int = 100
    fanout_rooms: int = 10
    fanout_members: int = 50
    fanout_in_flight: int = 10
    growth_pairs: int = 100
    growth_per_s: float = 1_000.0
    growth_steps: tuple[int, ...]
    growth_window_s: float
    """At least one ping interval, so that every idle connection is included once."""


@dataclass(frozen=True, slots=True)
class BenchmarkSetup:
    """A newly started server, its threads, and the counters of its load."""

    implementation: ServerImplementation
    server: RunningServer
    groups: Mapping[int, ThreadGroup]
    counters: DeliveryCounters

    def read_cpu(self) -> cpu_meter.CpuReading:
        return cpu_meter.read(self.server.pid, self.groups, self.counters)


@asynccontextmanager
async def started_server(
    plan: EnginePlan, implementation: ServerImplementation, folder: Path, core: int | None
) -> AsyncIterator[BenchmarkSetup]:
    """Run a server within the context.

    Raises:
        ServerStartFailed: the server did not listen in time.
    """
    server = await start(implementation, folder, core, baseline=plan.baseline)
    try:
        groups = group_threads(server.pid) if implementation.is_chatws else {server.pid: ThreadGroup.EVENT_LOOP}
        yield BenchmarkSetup(implementation, server, groups, DeliveryCounters())
    finally:
        await server.stop()


async def run_loads(
    plan: EnginePlan, implementation: ServerImplementation, number: int, folder: Path, core: int | None
) -> EngineRun:
    """Measure the plan's rows one after the other on one new server.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: a load could not be set up.
    """
    run = EngineRun(implementation=implementation, round=number)
    async with started_server(plan, implementation, folder, core) as setup:
        if EngineRow.IDLE in plan.rows:
            run = await _measure_idle(plan, setup, run)
        if EngineRow.PAIRS in plan.rows:
            run = await _measure_pairs(plan, setup, run)
        if EngineRow.FANOUT in plan.rows:
            run = await _measure_fanout(plan, setup, run)
    return run


async def run_growth(plan: EnginePlan, implementation: ServerImplementation, folder: Path, core: int | None) -> Growth:
    """Measure the same paced load with a growing number of idle connections to one server.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: the load could not be set up.
    """
    async with started_server(plan, implementation, folder, core) as setup:
        server, counters = setup.server, setup.counters
        customers = await start_sessions(implementation, server, plan.growth_pairs + max(plan.growth_steps))
        rooms = await open_rooms(implementation, server, customers[: plan.growth_pairs], PAIR, counters)
        await _warm_up(plan, rooms, counters)
        idle: list[FastConnection] = []
        steps: list[GrowthStep] = []
        for idle_connections in plan.growth_steps:
            added = customers[plan.growth_pairs + len(idle) : plan.growth_pairs + idle_connections]
            idle += await open_idle(server, added, counters)
            steps.append(await _measure_step(plan, setup, rooms, len(idle)))
        await close_all([*idle, *(member for room in rooms for member in room.members)])
    return Growth(implementation=implementation, steps=steps)


async def _measure_step(
    plan: EnginePlan, setup: BenchmarkSetup, rooms: list[BenchmarkRoom], idle_connections: int
) -> GrowthStep:
    await asyncio.sleep(SETTLE_S)
    begin = setup.read_cpu()
    await asyncio.sleep(plan.growth_window_s)
    idle_cores = cpu_meter.cores(begin, setup.read_cpu())
    duration_s = plan.warmup_s + plan.growth_window_s
    paced = await _measure(plan, setup, pace(rooms, setup.counters, plan.growth_per_s, duration_s))
    us_of_idle = idle_cores / max(1.0, paced.messages_per_s) * 1e6
    return GrowthStep(
        idle_connections=idle_connections,
        idle_cores=idle_cores,
        us_per_message=paced.us_per_message - us_of_idle,
        paced=paced,
    )


async def _measure_idle(plan: EnginePlan, setup: BenchmarkSetup, run: EngineRun) -> EngineRun:
    """Open the same connections twice.

    The first opening gives the memory, since the second one reuses memory that the server has not returned to the
    system. The second gives the CPU time, because Node has compiled the code by then.
    """
    server, counters = setup.server, setup.counters
    customers = await start_sessions(setup.implementation, server, plan.idle_warmup + plan.idle)
    dropped = await close_all(await open_idle(server, customers[: plan.idle_warmup], counters))
    await asyncio.sleep(SETTLE_S)
    rss_bytes = procfs.resident_bytes(server.pid)
    connections = await open_idle(server, customers[plan.idle_warmup :], counters)
    await asyncio.sleep(SETTLE_S)
    rss_bytes = procfs.resident_bytes(server.pid) - rss_bytes
    dropped += await close_all(connections)
    await asyncio.sleep(SETTLE_S)
    begin = setup.read_cpu()
    connections = await open_idle(server, customers[plan.idle_warmup :], counters)
    end = setup.read_cpu()
    dropped += await close_all(connections)
    cost = IdleCost(
        rss_kb=rss_bytes / plan.idle / 1e3,
        connect_ms=(end.server_s - begin.server_s) / plan.idle * 1e3,
        threads_us_per_connect=divide_times(begin.threads, end.threads, plan.idle),
    )
    return msgspec.structs.replace(run, idle=cost, dropped_connections=run.dropped_connections + dropped)


async def _measure_pairs(plan: EnginePlan, setup: BenchmarkSetup, run: EngineRun) -> EngineRun:
    counters, duration_s = setup.counters, plan.warmup_s + plan.window_s
    customers = await start_sessions(setup.implementation, setup.server, plan.pairs)
    rooms = await open_rooms(setup.implementation, setup.server, customers, PAIR, counters)
    await _warm_up(plan, rooms, counters)
    paced = await _measure(plan, setup, pace(rooms, counters, plan.pairs_per_s, duration_s))
    saturated = await _measure(plan, setup, saturate(rooms, counters, plan.pairs_in_flight, duration_s))
    dropped = run.dropped_connections + await close_all(member for room in rooms for member in room.members)
    return msgspec.structs.replace(run, paced=paced, saturated=saturated, dropped_connections=dropped)


async def _warm_up(plan: EnginePlan, rooms: list[BenchmarkRoom], counters: DeliveryCounters) -> None:
    await saturate(rooms, counters, plan.pairs_in_flight, WARMUP_TIMEOUT_S, plan.warmup_messages)
    await settle(counters)


async def _measure_fanout(plan: EnginePlan, setup: BenchmarkSetup, run: EngineRun) -> EngineRun:
    counters, duration_s = setup.counters, plan.warmup_s + plan.window_s
    customers = await start_sessions(setup.implementation, setup.server, plan.fanout_rooms)
    rooms = await open_rooms(setup.implementation, setup.server, customers, plan.fanout_members, counters)
    fanout = await _measure(plan, setup, saturate(rooms, counters, plan.fanout_in_flight, duration_s))
    dropped = run.dropped_connections + await close_all(member for room in rooms for member in room.members)
    return msgspec.structs.replace(run, fanout=fanout, dropped_connections=dropped)


async def _measure(plan: EnginePlan, setup: BenchmarkSetup, load: Coroutine[object, object, None]) -> LoadSample:
    """Run a load, and measure it from the end of the warm-up on."""
    gc.collect()
    gc.freeze()  # a full collection of thousands of live connections would delay sends
    counters = setup.counters
    running = asyncio.create_task(load)
    await asyncio.sleep(plan.warmup_s)
    counters.clear_latencies()
    begin = setup.read_cpu()
    await running
    end = setup.read_cpu()
    await settle(counters)
    return cpu_meter.describe(begin, end, counters)
