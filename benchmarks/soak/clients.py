"""Clients of the soak: those that behave, and those that do not read."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import msgspec

from benchmarks.common.client import BenchmarkConnection, connect
from benchmarks.soak.server_stats import HOST, SoakServer
from chatws.wire.frames import client_frame

_AT_ONCE = 50
_MASK = b"soak"


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
    """A customer that connects, joins, and from then on reads nothing, but answers as if it were well."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    @classmethod
    async def enter(cls, hosted: SoakServer, name: str) -> StalledReader:
        """Connect; what this side's kernel takes is kept small."""
        bare = socket.socket()
        bare.setblocking(False)
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(bare, (HOST, hosted.port))
        # A reader that nobody reads stops its transport after twice this limit.
        _, writer = await asyncio.open_connection(sock=bare, limit=1024)
        head = "\r\n".join(
            (
                "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
                f"Host: {HOST}:{hosted.port}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: c29ha2luZyBzb2FraW5nIQ==",
            )
        )
        reader = cls(writer)
        writer.write(f"{head}\r\n\r\n".encode())
        reader.say(f'40{{"sessionId":"{name}"}}')
        reader.say(f'42["join_conversation","conv-{name}"]')
        return reader

    def say(self, packet: str) -> None:
        """Send a packet."""
        if not self._writer.is_closing():
            self._writer.write(client_frame(packet.encode(), _MASK))

    def close(self) -> None:
        """Leave."""
        self._writer.transport.abort()
