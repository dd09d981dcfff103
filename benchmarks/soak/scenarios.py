"""The scenarios: each starts a server of its own, does its harm, and gives figures."""

from __future__ import annotations

import asyncio
import time

from benchmarks.common.client import BenchmarkConnection
from benchmarks.soak.clients import StalledReader, ask, enter, enter_all
from benchmarks.soak.measurements import SoakMeasurement, SoakPlan
from benchmarks.soak.server_stats import ResourceCounts, SoakServer, host

_MIB = 1024 * 1024
_PATIENCE_S = 120.0
_MESSAGE_CHARS = 3_900
_PROBE_EVERY_S = 0.05


async def slow_readers(plan: SoakPlan) -> list[SoakMeasurement]:
    """Clients that pong but do not read: from the first byte the kernel refuses to the last of them gone.

    Twice: the first time the process grows to what so much work needs, whoever reads.
    """
    async with host(**plan.settings) as hosted:
        names = [f"deaf-{number}" for number in range(plan.readers)]
        senders = await enter_all(hosted, names)
        before, _ = await _starve(hosted, names, senders)
        after, took_s = await _starve(hosted, names, senders)
    return [
        SoakMeasurement(
            f"{plan.readers} slow readers: from the first refused byte to gone", took_s, "s", 15 * plan.slack
        ),
        SoakMeasurement("slow readers left", after.sockets - plan.readers, "", 0),
        SoakMeasurement("bytes that wait for nobody", after.outbox_bytes, "B", 0),
        SoakMeasurement("slow readers: RSS kept", (after.rss_bytes - before.rss_bytes) / _MIB, "MiB", 16),
    ]


async def _starve(
    hosted: SoakServer, names: list[str], senders: list[BenchmarkConnection]
) -> tuple[ResourceCounts, float]:
    """Give the census after the slow readers are gone, and how long that took."""
    deaf = [await StalledReader.enter(hosted, name) for name in names]
    await hosted.until(lambda census: census.sockets == 2 * len(names), _PATIENCE_S)

    fed = asyncio.Event()

    async def feed() -> None:
        while not fed.is_set():
            for name, sender in zip(names, senders, strict=True):
                await ask(sender, "send_message", {"conversationId": f"conv-{name}", "content": "x" * _MESSAGE_CHARS})
            for reader in deaf:
                reader.say("3")

    feeding = asyncio.create_task(feed())
    # Less waits for the senders too, now and then.
    await hosted.until(lambda census: census.outbox_bytes > _MESSAGE_CHARS * len(names), _PATIENCE_S)
    began = time.monotonic()
    await hosted.until(lambda census: census.sockets == len(names), _PATIENCE_S)
    took_s = time.monotonic() - began
    fed.set()
    await feeding
    for reader in deaf:
        reader.close()
    return await hosted.count(thoroughly=True), took_s


async def mass_drop(plan: SoakPlan) -> list[SoakMeasurement]:
    """Sockets with a room each that vanish in the same moment."""
    async with host(**plan.settings) as hosted:
        before = await hosted.count(thoroughly=True)
        connections = await enter_all(hosted, [f"drop-{number}" for number in range(plan.sockets)])
        full = await hosted.count()
        began = time.monotonic()
        for connection in connections:
            connection.close()
        gone = await hosted.until(lambda census: census.sessions == before.sessions, _PATIENCE_S)
        took_s = time.monotonic() - began
    return [
        SoakMeasurement(
            f"{full.sockets} sockets with {full.rooms} rooms dropped at once: gone after", took_s, "s", plan.slack
        ),
        SoakMeasurement("mass drop: longest stall of the event loop", gone.worst_stall_ms, "ms"),
        SoakMeasurement(
            "mass drop: longest turn of the loop, its CPU alone", gone.worst_cpu_ms, "ms", 100 * plan.slack
        ),
        SoakMeasurement("mass drop: sockets and rooms left", gone.sockets + gone.rooms, "", 0),
    ]


async def idle_handshakes(plan: SoakPlan) -> list[SoakMeasurement]:
    """Handshakes that never CONNECT, beside a user who chats."""
    async with host(**plan.settings) as hosted:
        user = await enter(hosted, "user")
        waits_ms: list[float] = []
        leaving = asyncio.Event()

        async def chat() -> None:
            while not leaving.is_set():
                began = time.monotonic()
                await ask(user, "send_message", {"conversationId": "conv-user", "content": "still here"})
                waits_ms.append((time.monotonic() - began) * 1000)
                await asyncio.sleep(_PROBE_EVERY_S)

        chatting = asyncio.create_task(chat())
        for _ in range(0, plan.handshakes, 50):
            await asyncio.gather(*(_open_and_leave(hosted) for _ in range(50)))
        opened = await hosted.count()
        began = time.monotonic()
        gone = await hosted.until(lambda census: census.unadmitted == 0, _PATIENCE_S)
        took_s = time.monotonic() - began
        leaving.set()
        await chatting
    waits_ms.sort()
    return [
        SoakMeasurement(f"{opened.unadmitted} handshakes without CONNECT: gone after", took_s, "s", 12 * plan.slack),
        SoakMeasurement("handshakes left", gone.unadmitted, "", 0),
        SoakMeasurement("messages the user sent meanwhile, all acked", len(waits_ms), ""),
        SoakMeasurement("the user's ack, 99th percentile", waits_ms[len(waits_ms) * 99 // 100], "ms", 100 * plan.slack),
    ]


async def idle_cost(plan: SoakPlan) -> list[SoakMeasurement]:
    """What a connection costs that says nothing but its heartbeat."""
    async with host(**plan.settings) as hosted:
        first = await enter(hosted, "first")
        before = await hosted.count(thoroughly=True)
        connections = await enter_all(hosted, [f"idle-{number}" for number in range(plan.idle)])
        full = await hosted.count(thoroughly=True)
        began = time.monotonic()
        await asyncio.sleep(plan.idle_s)
        later = await hosted.count()
        minutes = (time.monotonic() - began) / 60
        for connection in (first, *connections):
            connection.close()
    return [
        SoakMeasurement("idle connections", len(connections), ""),
        SoakMeasurement("RSS per idle connection", (full.rss_bytes - before.rss_bytes) / len(connections), "B"),
        SoakMeasurement(
            "CPU per idle connection and minute", (later.cpu_s - full.cpu_s) * 1e6 / minutes / len(connections), "us"
        ),
    ]


async def _open_and_leave(hosted: SoakServer) -> None:
    async with hosted.http.get(f"{hosted.url}/socket.io/?EIO=4&transport=polling") as response:
        await response.read()
