"""Clients of the soak test: customers that chat, and stalled readers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from benchmarks.common.client import BenchmarkConnection, connect
from benchmarks.soak.server_stats import HOST, SoakServer
from chatws.wire.client_protocol import SocketIOClientProtocol, mask_frame
from chatws_loadtest.credentials import mint_tokens

R = TypeVar("R")

_AT_ONCE = 50


class Acked(msgspec.Struct):
    """The field that all acks have."""

    success: bool


class RequestFailed(Exception):
    """The server refused a valid request; the text is the ack."""


async def join_one(server: SoakServer, name: str) -> BenchmarkConnection:
    """Connect a customer and join its own conversation."""
    connection = await connect(HOST, server.port, {"sessionId": name}, lambda _name, _payload: None)
    await request(connection, "join_conversation", f"conv-{name}")
    return connection


async def join_all(server: SoakServer, names: Sequence[str]) -> list[BenchmarkConnection]:
    """Connect many customers, 50 at a time."""
    return await for_all(join_one, [(server, name) for name in names])


async def connect_agents(server: SoakServer, names: Sequence[str]) -> list[BenchmarkConnection]:
    """Connect many agents, 50 at a time, without joining a conversation."""

    async def connect_one(token: str) -> BenchmarkConnection:
        return await connect(HOST, server.port, {"token": token}, lambda _name, _payload: None)

    return await for_all(connect_one, [(token,) for token in mint_tokens(server.keys, names)])


async def for_all(call: Callable[..., Awaitable[R]], arguments: Sequence[tuple[object, ...]]) -> list[R]:
    """Call for each tuple of arguments, 50 at a time, and return the results in order."""
    results: list[R] = []
    for start in range(0, len(arguments), _AT_ONCE):
        results += await asyncio.gather(*(call(*values) for values in arguments[start : start + _AT_ONCE]))
    return results


async def request(connection: BenchmarkConnection, name: str, argument: object) -> None:
    """Send a request and wait for its ack.

    Raises:
        RequestFailed: the server refused the request.
    """
    reply = await connection.request(name, argument)
    if not msgspec.json.decode(reply, type=Acked).success:
        raise RequestFailed(bytes(reply).decode())


class StalledReader:
    """Customer that connects, joins, and then stops reading, but still answers heartbeats."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    @classmethod
    async def join(cls, server: SoakServer, name: str) -> StalledReader:
        """Connect with a small receive buffer, and join the customer's conversation."""
        raw_socket = socket.socket()
        raw_socket.setblocking(False)
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(raw_socket, (HOST, server.port))
        # An unread stream reader pauses its transport after twice this limit.
        _, writer = await asyncio.open_connection(sock=raw_socket, limit=1024)
        protocol = SocketIOClientProtocol(f"{HOST}:{server.port}")
        writer.write(protocol.upgrade_request())
        writer.write(protocol.send_connect({"sessionId": name}))
        writer.write(protocol.send_event("join_conversation", [f"conv-{name}"]))
        return cls(writer)

    def send(self, packet: str) -> None:
        """Send a packet."""
        if not self._writer.is_closing():
            self._writer.write(mask_frame(packet.encode()))

    def close(self) -> None:
        """Close the connection abruptly."""
        self._writer.transport.abort()
