"""Measurement of one variant: a paced load, and a burst whose events are all sent before its end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.engine import cpu_meter
from benchmarks.engine.counters import DeliveryCounters
from benchmarks.engine.credentials import start_sessions
from benchmarks.engine.implementations import (
    UNREACHED_LIMITS,
    RunningServer,
    ServerImplementation,
    start,
)
from benchmarks.engine.load import BenchmarkRoom, close_all, open_rooms, pace, saturate, settle
from benchmarks.engine.results import LoadSample
from benchmarks.engine.thread_meter import group_threads
from benchmarks.integrations.receiver import BenchmarkReceiver

CHATWS: Final = ServerImplementation.CHATWS
MEMBERS: Final = 2
BURST_IN_FLIGHT: Final = 100
BURST_TIMEOUT_S: Final = 60.0
SEND_TIMEOUT_S: Final = 60.0
"""Time after a load in which the events of its messages must be sent."""


class Integration(StrEnum):
    """Variants, by the name used in results; the first is the one without integrations."""

    NONE = "none"
    RECOVERY = "recovery"
    WEBHOOK_STORED = "webhook, stored only"
    WEBHOOK = "webhook, stored and sent"

    @property
    def has_webhook(self) -> bool:
        return self in {Integration.WEBHOOK_STORED, Integration.WEBHOOK}


class IntegrationPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and durations: pairs, messages per second, messages of the burst."""

    pairs: int = 100
    per_s: float = 400.0
    window_s: float
    warmup_s: float = 2.0
    burst_messages: int
    warmup_messages: int = 1_000


class IntegrationRun(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements of one variant in one round.

    The CPU time of the server includes that of sending the events of the load's messages.
    """

    integration: Integration
    round: int
    paced: LoadSample
    burst: LoadSample
    events_missing: int
    """Events of the webhook that did not arrive; 0 for a variant that sends none."""

    @property
    def is_clean(self) -> bool:
        return not self.events_missing and not self.paced.errors.any and not self.burst.errors.any

    @property
    def is_valid(self) -> bool:
        return self.paced.is_valid and not self.paced.is_generator_bound


async def run_integration(
    plan: IntegrationPlan, integration: Integration, number: int, folder: Path, core: int | None
) -> IntegrationRun:
    """Measure both loads on one new server.

    Raises:
        ServerStartFailed, CredentialsMissing, ConnectionFailed, LoadFailed: the load could not be set up.
    """
    async with (
        BenchmarkReceiver.open(accepts=integration is Integration.WEBHOOK) as receiver,
        _started(integration, receiver.url, folder, core) as server,
    ):
        counters = DeliveryCounters()
        customers = await start_sessions(CHATWS, server, plan.pairs)
        is_recovered = integration is Integration.RECOVERY
        rooms = await open_rooms(CHATWS, server, customers, MEMBERS, counters, is_recovered=is_recovered)
        meter = LoadMeter(server, rooms, counters, receiver)
        await saturate(rooms, counters, BURST_IN_FLIGHT, BURST_TIMEOUT_S, plan.warmup_messages)
        await meter.settle()
        duration_s = plan.warmup_s + plan.window_s
        paced = await meter.measure(pace(rooms, counters, plan.per_s, duration_s), plan.warmup_s)
        burst = await meter.measure(
            saturate(rooms, counters, BURST_IN_FLIGHT, BURST_TIMEOUT_S, plan.burst_messages), warmup_s=0
        )
        events_missing = counters.acked - receiver.accepted if integration is Integration.WEBHOOK else 0
        await close_all(member for room in rooms for member in room.members)
    return IntegrationRun(
        integration=integration, round=number, paced=paced, burst=burst, events_missing=events_missing
    )


class LoadMeter:
    """Measurement of loads on one server, each until its messages are delivered and its events are sent."""

    def __init__(
        self,
        server: RunningServer,
        rooms: list[BenchmarkRoom],
        counters: DeliveryCounters,
        receiver: BenchmarkReceiver,
    ) -> None:
        self._server = server
        self._rooms = rooms
        self._counters = counters
        self._receiver = receiver
        self._groups = group_threads(server.pid)

    async def settle(self) -> None:
        """Wait until all messages are delivered and, if the receiver accepts any, all their events."""
        await settle(self._counters)
        await self._receiver.wait_accepted(self._counters.acked, SEND_TIMEOUT_S)

    async def measure(self, load: Coroutine[object, object, None], warmup_s: float) -> LoadSample:
        """Run a load, and measure it from the end of the warm-up on."""
        gc.collect()
        gc.freeze()  # a full collection of all connections would delay sends
        running = asyncio.create_task(load)
        await asyncio.sleep(warmup_s)
        self._counters.clear_latencies()
        begin = self._read()
        await running
        await self.settle()
        return cpu_meter.describe(begin, self._read(), self._counters)

    def _read(self) -> cpu_meter.CpuReading:
        return cpu_meter.read(self._server.pid, self._groups, self._counters)


@asynccontextmanager
async def _started(
    integration: Integration, receiver_url: str, folder: Path, core: int | None
) -> AsyncIterator[RunningServer]:
    webhook = {"webhook_url": receiver_url, "webhook_events": "message.created"} if integration.has_webhook else {}
    server = await start(CHATWS, folder, core, limits={**UNREACHED_LIMITS, **webhook})
    try:
        yield server
    finally:
        await server.stop()
