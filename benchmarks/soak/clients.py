"""Clients of the soak: those that behave, and those that do not read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import msgspec

from benchmarks.common.client import BenchmarkConnection, connect
from benchmarks.soak.server_stats import HOST, SoakServer
from chatws.wire.client_protocol import SocketIOClientProtocol, mask_frame

_AT_ONCE = 50


class Acked(msgspec.Struct):
    """What every ack says."""

    success: bool


class NotAcked(Exception):
    """A request of a client that behaves was refused."""


async def enter(hosted: SoakServer, name: str) -> BenchmarkConnection:
    """Connect a customer and let it join a conversation of its own."""
    connection = await connect(HOST, hosted.port, {"sessionId": name}, lambda _name, _payload: None)
    await ask(connection, "join_conversation", f"conv-{name}")
    return connection


async def enter_all(hosted: SoakServer, names: Sequence[str]) -> list[BenchmarkConnection]:
    """Connect many, some at a time."""
    entered: list[BenchmarkConnection] = []
    for start in range(0, len(names), _AT_ONCE):
        entered += await asyncio.gather(*(enter(hosted, name) for name in names[start : start + _AT_ONCE]))
    return entered


async def ask(connection: BenchmarkConnection, name: str, argument: object) -> None:
    """Send a request and wait for its ack.

    Raises:
        NotAcked: it was refused.
    """
    answer = await connection.request(name, argument)
    if not msgspec.json.decode(answer, type=Acked).success:
        raise NotAcked(bytes(answer).decode())


class StalledReader:
    """Customer that connects, joins, and then stops reading, but still answers heartbeats."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    @classmethod
    async def enter(cls, hosted: SoakServer, name: str) -> StalledReader:
        """Connect with a small receive buffer."""
        bare = socket.socket()
        bare.setblocking(False)
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(bare, (HOST, hosted.port))
        # An unread stream reader pauses its transport after twice this limit.
        _, writer = await asyncio.open_connection(sock=bare, limit=1024)
        protocol = SocketIOClientProtocol(f"{HOST}:{hosted.port}")
        writer.write(protocol.upgrade_request())
        writer.write(protocol.send_connect({"sessionId": name}))
        writer.write(protocol.send_event("join_conversation", [f"conv-{name}"]))
        return cls(writer)

    def say(self, packet: str) -> None:
        """Send a packet."""
        if not self._writer.is_closing():
            self._writer.write(mask_frame(packet.encode()))

    def close(self) -> None:
        """Leave."""
        self._writer.transport.abort()
