"""Measurement of one server: idle connections, pairs, rooms of fifty, and pairs with idle connections."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine
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
from benchmarks.engine.results import EngineRun, GrowthStep, IdleCost, LoadSample
from chatws_loadtest import procfs

PAIR: Final = 2
SETTLE_S: Final = 1.0
"""Wait after connections were opened or closed, so that the server's deferred work is done."""


class EnginePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and durations of the loads; rates are messages per second of the whole load."""

    window_s: float
    warmup_s: float = 2.0
    idle_warmup: int = 200
    """Connections opened and closed before the measured ones, because the first ones fill caches."""
    idle: int
    pairs: int = 250
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
    """A newly started server and the counters of its load."""

    implementation: ServerImplementation
    server: RunningServer
    counters: DeliveryCounters


@asynccontextmanager
async def started_server(
    implementation: ServerImplementation, folder: Path, core: int | None
) -> AsyncIterator[BenchmarkSetup]:
    """Run a server within the context.

    Raises:
        ServerStartFailed: the server did not listen in time.
    """
    server = await start(implementation, folder, core)
    try:
        yield BenchmarkSetup(implementation, server, DeliveryCounters())
    finally:
        await server.stop()


async def run_loads(
    plan: EnginePlan, implementation: ServerImplementation, number: int, folder: Path, core: int | None
) -> EngineRun:
    """Measure all loads one after the other on one new server.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: a load could not be set up.
    """
    async with started_server(implementation, folder, core) as setup:
        server, counters = setup.server, setup.counters
        idle, dropped = await _measure_idle(plan, setup)
        customers = await start_sessions(implementation, server, plan.pairs + plan.fanout_rooms)
        rooms = await open_rooms(implementation, server, customers[: plan.pairs], PAIR, counters)
        full_s = plan.warmup_s + plan.window_s
        paced = await _measure(plan, setup, pace(rooms, counters, plan.pairs_per_s, full_s))
        saturated = await _measure(plan, setup, saturate(rooms, counters, plan.pairs_in_flight, full_s))
        dropped += await close_all(member for room in rooms for member in room.members)
        rooms = await open_rooms(implementation, server, customers[plan.pairs :], plan.fanout_members, counters)
        fanout = await _measure(plan, setup, saturate(rooms, counters, plan.fanout_in_flight, full_s))
        dropped += await close_all(member for room in rooms for member in room.members)
    return EngineRun(
        implementation=implementation,
        round=number,
        idle=idle,
        paced=paced,
        saturated=saturated,
        fanout=fanout,
        dropped_connections=dropped,
    )


async def run_growth(
    plan: EnginePlan, implementation: ServerImplementation, folder: Path, core: int | None
) -> list[GrowthStep]:
    """Measure the same paced load with a growing number of idle connections to one server.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: the load could not be set up.
    """
    async with started_server(implementation, folder, core) as setup:
        server, counters = setup.server, setup.counters
        customers = await start_sessions(implementation, server, plan.growth_pairs + max(plan.growth_steps))
        rooms = await open_rooms(implementation, server, customers[: plan.growth_pairs], PAIR, counters)
        idle: list[FastConnection] = []
        steps: list[GrowthStep] = []
        for idle_connections in plan.growth_steps:
            added = customers[plan.growth_pairs + len(idle) : plan.growth_pairs + idle_connections]
            idle += await open_idle(server, added, counters)
            steps.append(await _measure_step(plan, setup, rooms, len(idle)))
        await close_all([*idle, *(member for room in rooms for member in room.members)])
    return steps


async def _measure_step(
    plan: EnginePlan, setup: BenchmarkSetup, rooms: list[BenchmarkRoom], idle_connections: int
) -> GrowthStep:
    pid, counters = setup.server.pid, setup.counters
    await asyncio.sleep(SETTLE_S)
    begin = cpu_meter.read(pid, counters)
    await asyncio.sleep(plan.growth_window_s)
    idle_cores = cpu_meter.cores(begin, cpu_meter.read(pid, counters))
    duration_s = plan.warmup_s + plan.growth_window_s
    paced = await _measure(plan, setup, pace(rooms, counters, plan.growth_per_s, duration_s))
    us_of_idle = idle_cores / max(1.0, paced.messages_per_s) * 1e6
    return GrowthStep(
        idle_connections=idle_connections,
        idle_cores=idle_cores,
        us_per_message=paced.us_per_message - us_of_idle,
        paced=paced,
    )


async def _measure_idle(plan: EnginePlan, setup: BenchmarkSetup) -> tuple[IdleCost, int]:
    """Measure idle connections; return their cost, and the number of those that the server dropped."""
    server, counters = setup.server, setup.counters
    customers = await start_sessions(setup.implementation, server, plan.idle_warmup + plan.idle)
    dropped = await close_all(await open_idle(server, customers[: plan.idle_warmup], counters))
    await asyncio.sleep(SETTLE_S)
    rss_bytes, cpu_s = procfs.resident_bytes(server.pid), procfs.cpu_seconds(server.pid)
    connections = await open_idle(server, customers[plan.idle_warmup :], counters)
    cpu_s = procfs.cpu_seconds(server.pid) - cpu_s
    await asyncio.sleep(SETTLE_S)
    rss_bytes = procfs.resident_bytes(server.pid) - rss_bytes
    dropped += await close_all(connections)
    return IdleCost(rss_kb=rss_bytes / plan.idle / 1e3, connect_ms=cpu_s / plan.idle * 1e3), dropped


async def _measure(plan: EnginePlan, setup: BenchmarkSetup, load: Coroutine[object, object, None]) -> LoadSample:
    """Run a load, and measure it from the end of the warm-up on."""
    gc.collect()
    gc.freeze()  # a full collection of thousands of live connections would delay sends
    pid, counters = setup.server.pid, setup.counters
    running = asyncio.create_task(load)
    await asyncio.sleep(plan.warmup_s)
    counters.clear_latencies()
    begin = cpu_meter.read(pid, counters)
    await running
    end = cpu_meter.read(pid, counters)
    await settle(counters)
    return cpu_meter.describe(begin, end, counters)
