"""What is done to one server: idle connections, pairs, rooms of fifty; or pairs beside ever more idle ones."""

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
from benchmarks.engine.results import EngineRun, GrowthStep, IdleCost, Sample
from chatws_loadtest import procfs

PAIR: Final = 2
SETTLE_S: Final = 1.0
"""After connections came or went, until the server has done what that leads to."""


class EnginePlan(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything; rates are messages per second of the whole load."""

    window_s: float
    warmup_s: float = 2.0
    idle_warmup: int = 200
    """Connections made, and closed, before those that are measured: the first ones fill caches."""
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
    """A whole ping interval shows every idle connection once."""


@dataclass(frozen=True, slots=True)
class BenchmarkSetup:
    """A fresh server that listens."""

    contender: ServerImplementation
    server: RunningServer
    tally: DeliveryCounters


@asynccontextmanager
async def staged(contender: ServerImplementation, folder: Path, core: int | None) -> AsyncIterator[BenchmarkSetup]:
    """Start a server and stop it at the end.

    Raises:
        SubjectFailed: it did not start.
    """
    server = await start(contender, folder, core)
    try:
        yield BenchmarkSetup(contender, server, DeliveryCounters())
    finally:
        await server.stop()


async def run_trial(
    plan: EnginePlan, contender: ServerImplementation, number: int, folder: Path, core: int | None
) -> EngineRun:
    """Put every load on a fresh server, one after the other.

    Raises:
        SubjectFailed, ConnectionFailed, LoadFailed: a load could not be built up.
    """
    async with staged(contender, folder, core) as stage:
        idle, dropped = await _measure_idle(plan, stage)
        customers = await start_sessions(contender, stage.server, plan.pairs + plan.fanout_rooms)
        rooms = await open_rooms(contender, stage.server, customers[: plan.pairs], PAIR, stage.tally)
        full_s = plan.warmup_s + plan.window_s
        paced = await _measure(plan, stage, pace(rooms, stage.tally, plan.pairs_per_s, full_s))
        saturated = await _measure(plan, stage, saturate(rooms, stage.tally, plan.pairs_in_flight, full_s))
        dropped += await close_all(member for room in rooms for member in room.members)
        rooms = await open_rooms(contender, stage.server, customers[plan.pairs :], plan.fanout_members, stage.tally)
        fanout = await _measure(plan, stage, saturate(rooms, stage.tally, plan.fanout_in_flight, full_s))
        dropped += await close_all(member for room in rooms for member in room.members)
    return EngineRun(
        contender=contender,
        round=number,
        idle=idle,
        paced=paced,
        saturated=saturated,
        fanout=fanout,
        dropped_connections=dropped,
    )


async def run_growth(
    plan: EnginePlan, contender: ServerImplementation, folder: Path, core: int | None
) -> list[GrowthStep]:
    """Measure the same talk beside more and more idle connections of one server.

    Raises:
        SubjectFailed, ConnectionFailed, LoadFailed: the load could not be built up.
    """
    async with staged(contender, folder, core) as stage:
        customers = await start_sessions(contender, stage.server, plan.growth_pairs + max(plan.growth_steps))
        rooms = await open_rooms(contender, stage.server, customers[: plan.growth_pairs], PAIR, stage.tally)
        idle: list[FastConnection] = []
        steps: list[GrowthStep] = []
        for wanted in plan.growth_steps:
            more = customers[plan.growth_pairs + len(idle) : plan.growth_pairs + wanted]
            idle += await open_idle(stage.server, more, stage.tally)
            steps.append(await _measure_step(plan, stage, rooms, len(idle)))
        await close_all([*idle, *(member for room in rooms for member in room.members)])
    return steps


async def _measure_step(
    plan: EnginePlan, stage: BenchmarkSetup, rooms: list[BenchmarkRoom], idle_connections: int
) -> GrowthStep:
    pid, tally = stage.server.pid, stage.tally
    await asyncio.sleep(SETTLE_S)
    begin = cpu_meter.read(pid, tally)
    await asyncio.sleep(plan.growth_window_s)
    idle_cores = cpu_meter.cores(begin, cpu_meter.read(pid, tally))
    duration_s = plan.warmup_s + plan.growth_window_s
    talk = await _measure(plan, stage, pace(rooms, tally, plan.growth_per_s, duration_s))
    us_of_idle = idle_cores / max(1.0, talk.messages_per_s) * 1e6
    return GrowthStep(
        idle_connections=idle_connections,
        idle_cores=idle_cores,
        us_per_message=talk.us_per_message - us_of_idle,
        talk=talk,
    )


async def _measure_idle(plan: EnginePlan, stage: BenchmarkSetup) -> tuple[IdleCost, int]:
    server, tally = stage.server, stage.tally
    customers = await start_sessions(stage.contender, server, plan.idle_warmup + plan.idle)
    dropped = await close_all(await open_idle(server, customers[: plan.idle_warmup], tally))
    await asyncio.sleep(SETTLE_S)
    rss_bytes, cpu_s = procfs.resident_bytes(server.pid), procfs.cpu_seconds(server.pid)
    connections = await open_idle(server, customers[plan.idle_warmup :], tally)
    cpu_s = procfs.cpu_seconds(server.pid) - cpu_s
    await asyncio.sleep(SETTLE_S)
    rss_bytes = procfs.resident_bytes(server.pid) - rss_bytes
    dropped += await close_all(connections)
    return IdleCost(rss_kb=rss_bytes / plan.idle / 1e3, connect_ms=cpu_s / plan.idle * 1e3), dropped


async def _measure(plan: EnginePlan, stage: BenchmarkSetup, talk: Coroutine[object, object, None]) -> Sample:
    """Let the rooms talk, and measure from the end of the warm-up on."""
    gc.collect()
    gc.freeze()  # thousands of connections that stay: a full collection would be late sends
    pid, tally = stage.server.pid, stage.tally
    talking = asyncio.create_task(talk)
    await asyncio.sleep(plan.warmup_s)
    tally.forget_times()
    begin = cpu_meter.read(pid, tally)
    await talking
    end = cpu_meter.read(pid, tally)
    await settle(tally)
    return cpu_meter.describe(begin, end, tally)
