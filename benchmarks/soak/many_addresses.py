"""Floods from many addresses of the network 127.0.0.0/8, on a server with its default limits."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Final, NamedTuple

from benchmarks.common.client import ConnectionFailed
from benchmarks.common.measurement import BoundedMeasurement
from benchmarks.soak.bystanders import BYSTANDERS, run_bystanders
from benchmarks.soak.clients import for_all, join_one
from benchmarks.soak.plan import SoakPlan
from benchmarks.soak.server_stats import HOST, SoakServer, started_server
from chatws.settings import Settings

_TIMEOUT_S: Final = 60.0
_RETRY_S: Final = 0.1
_CLOSE_TIMEOUT_S: Final = 12.0
"""Limit of the time until idle connections are closed, by default after 10 s."""

_BYSTANDERS_UNLIMITED: Final[dict[str, int | str]] = {
    "limits": "on", "send_per_s": 1_000, "send_burst": 1_000, "total_per_s": 1_000, "total_burst": 1_000,
}  # fmt: skip
"""A bystander sends 20 messages per second, four times as many as the default limits permit."""


class HandshakeAnswer(NamedTuple):
    """Response to a handshake whose TCP connection stays open."""

    status: int
    has_retry_after: bool
    writer: asyncio.StreamWriter


async def many_handshakes(plan: SoakPlan) -> list[BoundedMeasurement]:
    """Measure handshakes from many addresses held at once: those within the limits succeed, the others are refused."""
    settings: dict[str, int | str] = _BYSTANDERS_UNLIMITED | plan.settings
    limit = int(settings.get("unauthenticated", Settings().unauthenticated))
    async with started_server(**settings) as server, run_bystanders(server, plan) as acks:
        sources = [_address(number % plan.addresses) for number in range(plan.address_handshakes)]
        answers = await for_all(_hold_handshake, [(server, source) for source in sources])
        opened = await server.count()
        began = time.monotonic()
        await _connect_newcomer(server)
        newcomer_s = time.monotonic() - began
        # The newcomer's socket ends a moment after its connection was closed.
        closed = await server.wait_until(
            lambda counts: counts.unadmitted == 0 and counts.sockets == BYSTANDERS, _TIMEOUT_S
        )
        for answer in answers:
            answer.writer.close()
    accepted = sum(answer.status == HTTPStatus.OK for answer in answers)
    documented = sum(answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.has_retry_after for answer in answers)
    title = f"{len(answers)} handshakes from {plan.addresses} addresses"
    return [
        BoundedMeasurement(f"{title}: TCP connections held", opened.http_connections, ""),
        BoundedMeasurement("addresses: sessions without CONNECT held", opened.unadmitted, "", limit),
        BoundedMeasurement(
            "addresses: handshakes refused below the limit", max(0, min(limit, len(answers)) - accepted), "", 0
        ),
        BoundedMeasurement("addresses: refused with 503 and Retry-After", documented, ""),
        BoundedMeasurement("addresses: any other answer", len(answers) - accepted - documented, "", 0),
        BoundedMeasurement("addresses: until a new user connected", newcomer_s, "s", _CLOSE_TIMEOUT_S * plan.slack),
        BoundedMeasurement(
            "addresses: longest loop iteration, CPU time", max(opened.longest_cpu_ms, closed.longest_cpu_ms), "ms"
        ),
        BoundedMeasurement("addresses: sessions retained", closed.sessions - BYSTANDERS, "", 0),
        *acks.measurements("addresses", plan.slack),
    ]


async def slow_heads(plan: SoakPlan) -> list[BoundedMeasurement]:
    """Measure connections from many addresses that send half a head, and requests for ``/health`` meanwhile."""
    settings: dict[str, int | str] = _BYSTANDERS_UNLIMITED | plan.settings
    async with started_server(**settings) as server, run_bystanders(server, plan) as acks:
        sources = [_address(number % plan.addresses) for number in range(plan.slow_heads)]
        writers = await for_all(_send_half_head, [(server, source) for source in sources])
        opened = await server.count()
        began = time.monotonic()
        async with server.http.get(f"{server.url}/health") as response:
            health_ms = (time.monotonic() - began) * 1000
            is_healthy = response.status == HTTPStatus.OK
        # The connection that reads the counts is the only one left.
        closed = await server.wait_until(lambda counts: counts.http_connections <= 1, _TIMEOUT_S)
        duration_s = time.monotonic() - began
        for writer in writers:
            writer.close()
    title = f"{len(writers)} half heads from {plan.addresses} addresses"
    return [
        BoundedMeasurement(f"{title}: TCP connections held", opened.http_connections, ""),
        BoundedMeasurement("half heads: all closed", duration_s, "s", _CLOSE_TIMEOUT_S * plan.slack),
        BoundedMeasurement(
            "half heads: longest loop iteration, CPU time", max(opened.longest_cpu_ms, closed.longest_cpu_ms), "ms"
        ),
        BoundedMeasurement("half heads: connections retained", closed.http_connections - 1, "", 0),
        BoundedMeasurement("half heads: answers of /health missing", not is_healthy, "", 0),
        BoundedMeasurement("half heads: /health meanwhile", health_ms, "ms", 1_000 * plan.slack),
        *acks.measurements("half heads", plan.slack),
    ]


async def _connect_newcomer(server: SoakServer) -> None:
    """Connect a user, who tries again while the server has no room for a handshake."""
    async with asyncio.timeout(_TIMEOUT_S):
        while True:
            try:
                newcomer = await join_one(server, "newcomer")
            except ConnectionFailed:
                await asyncio.sleep(_RETRY_S)
            else:
                newcomer.close()
                return


async def _hold_handshake(server: SoakServer, source: str) -> HandshakeAnswer:
    """Open a session by long-polling and keep the TCP connection."""
    reader, writer = await asyncio.open_connection(HOST, server.port, local_addr=(source, 0))
    writer.write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    return HandshakeAnswer(int(head.split(b" ", 2)[1]), b"\r\nretry-after: " in head, writer)


async def _send_half_head(server: SoakServer, source: str) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection(HOST, server.port, local_addr=(source, 0))
    writer.write(b"GET /health HTTP/1.1\r\nHost: loc")
    return writer


def _address(number: int) -> str:
    """Return the source address of a number from 0 to 65,535."""
    return f"127.1.{number // 256}.{number % 256}"
