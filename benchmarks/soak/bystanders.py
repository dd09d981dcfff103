"""Bystanders of a flood: users that chat beside it, and the durations of their acks.

They have a thread and an event loop of their own: otherwise the work of the flood's clients would be measured, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import uvloop

from benchmarks.common.client import BenchmarkConnection
from benchmarks.common.measurement import BoundedMeasurement
from benchmarks.soak.clients import join_all, request
from benchmarks.soak.plan import SoakPlan
from benchmarks.soak.server_stats import SoakServer

BYSTANDERS: Final = 10
_MAX_P99_MS: Final = 100.0


class BystanderAcks:
    """Durations of the acks of all bystanders; complete when `run_bystanders` ends."""

    def __init__(self, wanted: int) -> None:
        self.durations_ms: list[float] = []
        self._wanted = wanted
        self._is_flood_over = False

    @property
    def is_complete(self) -> bool:
        """Whether the flood is over and the wanted number of acks was received."""
        return self._is_flood_over and len(self.durations_ms) >= self._wanted

    def end_flood(self) -> None:
        """Let the bystanders stop as soon as they have received enough acks."""
        self._is_flood_over = True

    def measurements(self, scenario: str, slack: float) -> list[BoundedMeasurement]:
        """Return the number of acks, their p99 and their maximum."""
        ordered = sorted(self.durations_ms)
        p99_ms = ordered[len(ordered) * 99 // 100]
        return [
            BoundedMeasurement(f"{scenario}: messages of bystanders, all acked", len(ordered), ""),
            BoundedMeasurement(f"{scenario}: ack of a bystander, p99", p99_ms, "ms", _MAX_P99_MS * slack),
            BoundedMeasurement(f"{scenario}: ack of a bystander, longest", ordered[-1], "ms"),
        ]


@asynccontextmanager
async def run_bystanders(server: SoakServer, plan: SoakPlan) -> AsyncIterator[BystanderAcks]:
    """Let `BYSTANDERS` users send messages during the context and until enough acks were received."""
    loop = asyncio.get_running_loop()
    joined: asyncio.Future[None] = loop.create_future()
    acks = BystanderAcks(plan.bystander_acks)
    report_joined = partial(loop.call_soon_threadsafe, joined.set_result, None)
    chat = asyncio.create_task(asyncio.to_thread(lambda: uvloop.run(_chat(server, plan, acks, report_joined))))
    await asyncio.wait([joined, chat], return_when=asyncio.FIRST_COMPLETED)
    try:
        if joined.done():
            yield acks
    finally:
        acks.end_flood()
        await chat


async def _chat(server: SoakServer, plan: SoakPlan, acks: BystanderAcks, report_joined: Callable[[], object]) -> None:
    connections = await join_all(server, [f"bystander-{number}" for number in range(BYSTANDERS)])
    report_joined()
    async with asyncio.TaskGroup() as sending:
        for number, connection in enumerate(connections):
            sending.create_task(_send_messages(connection, f"conv-bystander-{number}", acks, plan.bystander_pause_s))
    for connection in connections:
        connection.close()


async def _send_messages(
    connection: BenchmarkConnection, conversation_id: str, acks: BystanderAcks, pause_s: float
) -> None:
    while not acks.is_complete:
        began = time.monotonic()
        await request(connection, "send_message", {"conversationId": conversation_id, "content": "hello"})
        acks.durations_ms.append((time.monotonic() - began) * 1000)
        await asyncio.sleep(pause_s)
