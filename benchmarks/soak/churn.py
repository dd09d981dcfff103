"""Churn: clients that connect, chat and disconnect, some with invalid data; measures the resources retained."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress

from benchmarks.common.client import BenchmarkConnection, ConnectionFailed
from benchmarks.common.measurement import BoundedMeasurement
from benchmarks.soak.bystanders import run_bystanders
from benchmarks.soak.clients import StalledReader, join_one, request
from benchmarks.soak.page_caches import fill_page_caches
from benchmarks.soak.plan import SoakPlan
from benchmarks.soak.server_stats import SoakServer, started_server

_SEED = 20251028
_INVALID_SHARE = 0.01
_VISIT_S = (0.5, 3.0)
_WARM_UP_SHARE = 0.1
_MIB = 1024 * 1024
_INVALID_PACKETS = ("42{", "garbage", '42["connect"]', "459999999999-[]", "40", "42[" + "[" * 900)
_PERIODIC_TIMERS = 4
"""Timers of the server's periodic work, which exist or not depending on the moment."""


async def churn(plan: SoakPlan) -> list[BoundedMeasurement]:
    """Compare the resources before and after; a warm-up with every kind of client precedes the first count."""
    rng = random.Random(_SEED)
    async with started_server(**plan.settings) as server:
        await fill_page_caches(server, plan.cached_bytes)
        await _run_visits(server, plan.churn_s * _WARM_UP_SHARE, plan.churn_per_s, rng, _INVALID_SHARE * 10)
        before = await server.count_settled()
        async with run_bystanders(server, plan) as acks:
            visits = await _run_visits(server, plan.churn_s, plan.churn_per_s, rng, _INVALID_SHARE)
        after = await server.count_settled()
    return [
        BoundedMeasurement(f"churn of {plan.churn_s:g} s: visits", visits, "clients"),
        BoundedMeasurement("churn: sessions, sockets and rooms retained", after.connection_objects, "", 0),
        BoundedMeasurement("churn: tasks retained", after.tasks - before.tasks, "", 0),
        BoundedMeasurement("churn: timers retained", after.timers - before.timers, "", _PERIODIC_TIMERS),
        BoundedMeasurement("churn: RSS retained", (after.rss_bytes - before.rss_bytes) / _MIB, "MiB", 8),
        *acks.measurements("churn", plan.slack),
    ]


async def _run_visits(
    server: SoakServer, seconds: float, per_s: float, rng: random.Random, invalid_share: float
) -> int:
    """Connect clients at even intervals; return their number once all have disconnected."""
    began, count = time.monotonic(), 0
    async with asyncio.TaskGroup() as visits:
        while time.monotonic() - began < seconds:
            count += 1
            name = f"churn-{count % 500}"
            if rng.random() < invalid_share:
                visits.create_task(_send_invalid(server, name, rng.choice(_INVALID_PACKETS)))
            else:
                visits.create_task(_visit(server, name, rng.uniform(*_VISIT_S)))
            await asyncio.sleep(max(0.0, began + count / per_s - time.monotonic()))
    return count


async def _visit(server: SoakServer, name: str, duration_s: float) -> None:
    connection: BenchmarkConnection = await join_one(server, name)
    conversation_id = f"conv-{name}"
    await request(connection, "typing_start", conversation_id)
    await request(connection, "send_message", {"conversationId": conversation_id, "content": "hello"})
    await asyncio.sleep(duration_s)
    connection.close()


async def _send_invalid(server: SoakServer, name: str, packet: str) -> None:
    with suppress(OSError, ConnectionFailed):
        reader = await StalledReader.join(server, name)
        reader.send(packet)
        await asyncio.sleep(_VISIT_S[0])
        reader.close()
