"""Scenarios with one server each: slow readers, mass disconnect, idle handshakes, and idle connections."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec

from benchmarks.common.client import BenchmarkConnection
from benchmarks.common.measurement import BoundedMeasurement
from benchmarks.soak.bystanders import BYSTANDERS, run_bystanders
from benchmarks.soak.clients import StalledReader, for_all, join_all, join_one, request
from benchmarks.soak.plan import SoakPlan
from benchmarks.soak.server_stats import ResourceCounts, SoakServer, started_server

_MIB: Final = 1024 * 1024
_TIMEOUT_S: Final = 120.0
_MESSAGE_CHARS: Final = 3_900
_MAX_IN_FLIGHT_BYTES: Final = 300 * BYSTANDERS
"""Acks or short messages that are just being sent to the bystanders; all of them are less than one retained message."""


async def slow_readers(plan: SoakPlan) -> list[BoundedMeasurement]:
    """Measure stalled readers: time from the kernel's first refused byte until all are disconnected, and memory.

    The load is run twice, because the first run also grows the process to the memory that this much work needs.
    """
    async with started_server(**plan.settings) as server, run_bystanders(server, plan) as acks:
        names = [f"reader-{number}" for number in range(plan.readers)]
        senders = await join_all(server, names)
        before, _ = await _stall_readers(server, names, senders)
        after, duration_s = await _stall_readers(server, names, senders)
    return [
        BoundedMeasurement(
            f"{plan.readers} slow readers: first refused byte to disconnect", duration_s, "s", 15 * plan.slack
        ),
        BoundedMeasurement("slow readers: sockets retained", after.sockets - plan.readers - BYSTANDERS, "", 0),
        BoundedMeasurement("slow readers: unsent bytes retained", after.buffered_bytes, "B", _MAX_IN_FLIGHT_BYTES),
        BoundedMeasurement("slow readers: RSS retained", (after.rss_bytes - before.rss_bytes) / _MIB, "MiB", 16),
        *acks.measurements("slow readers", plan.slack),
    ]


async def _stall_readers(
    server: SoakServer, names: list[str], senders: list[BenchmarkConnection]
) -> tuple[ResourceCounts, float]:
    """Return the counts after the slow readers were disconnected, and the duration until then."""
    readers = [await StalledReader.join(server, name) for name in names]
    await server.wait_until(lambda counts: counts.sockets == 2 * len(names) + BYSTANDERS, _TIMEOUT_S)

    done = asyncio.Event()

    async def send_messages() -> None:
        while not done.is_set():
            for name, sender in zip(names, senders, strict=True):
                message = {"conversationId": f"conv-{name}", "content": "x" * _MESSAGE_CHARS}
                await request(sender, "send_message", message)
            for reader in readers:
                reader.send("3")  # an Engine.IO pong

    sending = asyncio.create_task(send_messages())
    # The senders' connections can hold less than this at times.
    await server.wait_until(lambda counts: counts.buffered_bytes > _MESSAGE_CHARS * len(names), _TIMEOUT_S)
    began = time.monotonic()
    await server.wait_until(lambda counts: counts.sockets == len(names) + BYSTANDERS, _TIMEOUT_S)
    duration_s = time.monotonic() - began
    done.set()
    await sending
    for reader in readers:
        reader.close()
    # On a busy machine, acks and messages to all bystanders may be under way at the same time.
    sent = await server.wait_until(lambda counts: counts.buffered_bytes <= _MAX_IN_FLIGHT_BYTES, _TIMEOUT_S)
    counts = await server.count(collect=True)
    return msgspec.structs.replace(counts, buffered_bytes=sent.buffered_bytes), duration_s


async def mass_disconnect(plan: SoakPlan) -> list[BoundedMeasurement]:
    """Measure sockets in rooms that all disconnect at the same moment."""
    async with started_server(**plan.settings) as server, run_bystanders(server, plan) as acks:
        before = await server.count(collect=True)
        connections = await join_all(server, [f"drop-{number}" for number in range(plan.sockets)])
        connected = await server.count()
        began = time.monotonic()
        for connection in connections:
            connection.close()
        closed = await server.wait_until(lambda counts: counts.sessions == before.sessions, _TIMEOUT_S)
        duration_s = time.monotonic() - began
    return [
        BoundedMeasurement(
            f"mass disconnect of {connected.sockets - before.sockets} sockets: all closed",
            duration_s,
            "s",
            plan.slack,
        ),
        BoundedMeasurement("mass disconnect: longest delay of the event loop", closed.longest_delay_ms, "ms"),
        BoundedMeasurement(
            "mass disconnect: longest loop iteration, CPU time", closed.longest_cpu_ms, "ms", 100 * plan.slack
        ),
        BoundedMeasurement(
            "mass disconnect: sockets and rooms retained", closed.connection_objects - before.connection_objects, "", 0
        ),
        *acks.measurements("mass disconnect", plan.slack),
    ]


async def idle_handshakes(plan: SoakPlan) -> list[BoundedMeasurement]:
    """Measure handshakes without CONNECT."""
    async with started_server(**plan.settings) as server, run_bystanders(server, plan) as acks:
        await for_all(_handshake, [(server,)] * plan.handshakes)
        opened = await server.count()
        began = time.monotonic()
        closed = await server.wait_until(lambda counts: counts.unadmitted == 0, _TIMEOUT_S)
        duration_s = time.monotonic() - began
    return [
        BoundedMeasurement(
            f"{opened.unadmitted} handshakes without CONNECT: all closed", duration_s, "s", 12 * plan.slack
        ),
        BoundedMeasurement("handshakes: sessions retained", closed.unadmitted, "", 0),
        *acks.measurements("handshakes", plan.slack),
    ]


async def idle_connections(plan: SoakPlan) -> list[BoundedMeasurement]:
    """Measure memory and CPU time of connections that only answer heartbeats."""
    async with started_server(**plan.settings) as server:
        first = await join_one(server, "first")
        before = await server.count(collect=True)
        connections = await join_all(server, [f"idle-{number}" for number in range(plan.idle)])
        connected = await server.count(collect=True)
        began = time.monotonic()
        await asyncio.sleep(plan.idle_s)
        later = await server.count()
        minutes = (time.monotonic() - began) / 60
        for connection in (first, *connections):
            connection.close()
    rss_bytes = (connected.rss_bytes - before.rss_bytes) / len(connections)
    cpu_us = (later.cpu_s - connected.cpu_s) * 1e6 / minutes / len(connections)
    return [
        BoundedMeasurement("idle connections", len(connections), ""),
        BoundedMeasurement("idle connections: RSS of one", rss_bytes, "B"),
        BoundedMeasurement("idle connections: CPU of one per minute", cpu_us, "us"),
    ]


async def _handshake(server: SoakServer) -> None:
    async with server.http.get(f"{server.url}/socket.io/?EIO=4&transport=polling") as response:
        await response.read()
