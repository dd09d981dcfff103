"""Socket.IO client on an asyncio transport, for load generators: it parses no more than its caller needs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import cast

import msgspec

from chatws.wire import socketio
from chatws.wire.client_packets import (
    AckReceived,
    EventReceived,
    NamespaceRefused,
    ProtocolViolated,
    TransportOpened,
)
from chatws.wire.client_protocol import ClientEvent, SocketIOClientProtocol, UpgradeRejected
from chatws.wire.errors import WireError

OPEN_TIMEOUT_S = 30.0

OnEvent = Callable[[str, msgspec.Raw], None]
OnAck = Callable[[msgspec.Raw], None]


class ConnectionFailed(Exception):
    """The server refused or ended the connection; the text holds its reason."""


class BenchmarkConnection(asyncio.Protocol):
    """Connected client; ``on_event`` receives the name and first argument of each event.

    It reads as fast as the event loop allows and never reconnects, because a repair would hide a failure.
    """

    def __init__(self, credentials: dict[str, str], host: str, on_event: OnEvent) -> None:
        self._credentials = credentials
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        # Done when the server has accepted the credentials; fails when the connection ends before.
        self.opened: asyncio.Future[None] = self._loop.create_future()
        # Done with the reason when the connection has ended or is about to.
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._protocol = SocketIOClientProtocol(host)
        self._ack_ids = itertools.count()
        self._acks: dict[int, OnAck] = {}

    def emit(self, name: str, argument: object, on_ack: OnAck) -> None:
        """Send an event; ``on_ack`` receives the first value of its ack."""
        ack_id = next(self._ack_ids)
        self._acks[ack_id] = on_ack
        self._write(self._protocol.send_event(name, (argument,), ack_id=ack_id))

    async def request(self, name: str, argument: object) -> msgspec.Raw:
        """Send an event and wait for its ack.

        Raises:
            TimeoutError: no ack within 30 s, or the connection has ended.
        """
        reply: asyncio.Future[msgspec.Raw] = self._loop.create_future()
        self.emit(name, argument, reply.set_result)
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            return await reply

    def close(self) -> None:
        """Close the connection; ``ended`` is done once it is closed."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._transport.write(self._protocol.upgrade_request())

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection closed: {exc or 'no error'}")

    def data_received(self, data: bytes) -> None:
        events = self._protocol.receive_data(data)
        if self._protocol.has_data_to_send:
            self._write(self._protocol.data_to_send())
        try:
            for event in events:
                # The two kinds of nearly all traffic, tested first.
                if type(event) is EventReceived:
                    self._receive_event(event.raw_json)
                elif type(event) is AckReceived:
                    on_ack = self._acks.pop(event.ack_id, None)
                    if on_ack is not None:
                        on_ack(socketio.split_ack(event.raw_json)[0])
                else:
                    self._handle(event)
        except WireError as error:
            self._fail(f"the server broke the protocol: {error}")

    def _receive_event(self, raw_json: str) -> None:
        name, args = socketio.split_event(raw_json)
        if name == "authenticated" and not self.opened.done():
            self.opened.set_result(None)
        self._on_event(name, args[0])

    def _handle(self, event: ClientEvent) -> None:
        match event:
            case TransportOpened():
                self._write(self._protocol.send_connect(self._credentials))
            case UpgradeRejected(status_line):
                self._fail(status_line)
            case NamespaceRefused(raw_json):
                self._fail(f"refused: {raw_json}")
            case ProtocolViolated(error):
                self._fail(f"the server broke the protocol: {error}")

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def _fail(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)
        if not self.opened.done():
            self.opened.set_exception(ConnectionFailed(reason))
        if self._transport is not None:
            self._transport.close()


async def connect(host: str, port: int, credentials: dict[str, str], on_event: OnEvent) -> BenchmarkConnection:
    """Open a connection and return once the server has sent ``authenticated``.

    Raises:
        ConnectionFailed: the server refused the credentials or ended the connection.
        OSError: no server listens on the port.
        TimeoutError: the server did not reply within 30 s.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: BenchmarkConnection(credentials, f"{host}:{port}", on_event), host, port
    )
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        await connection.opened
    return connection
