"""One Socket.IO connection over WebSocket, straight on an asyncio transport: the least a client can cost."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from collections.abc import Callable
from typing import cast

import msgspec

from chatws.wire import engineio, socketio
from chatws.wire.errors import WireError
from chatws.wire.frame_parser import FrameMessage, FrameParser, Role
from chatws.wire.frames import Opcode, client_frame

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
OPEN_TIMEOUT_S = 30.0
PATH = "/socket.io/?EIO=4&transport=websocket"

OnEvent = Callable[[str, msgspec.Raw], None]
OnAck = Callable[[msgspec.Raw], None]


class ConnectionFailed(Exception):
    """The server refused the connection or ended it; the text says what it sent."""


class BenchmarkConnection(asyncio.Protocol):
    """A connected client; ``on_event`` gets each event's name and first argument as it arrives.

    It reads as fast as the loop allows and never reconnects: a generator that repaired anything would hide faults.
    """

    def __init__(self, credentials: dict[str, str], host: str, on_event: OnEvent) -> None:
        self._credentials = credentials
        self._host = host
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        # Done when the server has accepted the credentials, or the connection has ended before.
        self.opened: asyncio.Future[None] = self._loop.create_future()
        # Done when the connection has ended, or has to: why.
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        # The HTTP answer while it is incomplete; None from then on.
        self._http_head: bytes | None = b""
        self._reader = FrameParser(Role.CLIENT, max_message_bytes=MAX_MESSAGE_BYTES)
        self._ack_ids = itertools.count()
        self._acks: dict[int, OnAck] = {}

    def emit(self, name: str, argument: object, on_ack: OnAck) -> None:
        """Send an event at once; ``on_ack`` gets the first value of its ack."""
        ack_id = next(self._ack_ids)
        self._acks[ack_id] = on_ack
        self._send(engineio.EnginePacketType.MESSAGE, socketio.encode_event(name, (argument,), ack_id=ack_id))

    async def request(self, name: str, argument: object) -> msgspec.Raw:
        """Send an event and wait for its ack.

        Raises:
            TimeoutError: no answer within 30 s, or the connection has ended.
        """
        answer: asyncio.Future[msgspec.Raw] = self._loop.create_future()
        self.emit(name, argument, answer.set_result)
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            return await answer

    def close(self) -> None:
        """End the connection; ``ended`` says when that has happened."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {PATH} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"connection closed: {exc or 'no error'}")

    def data_received(self, data: bytes) -> None:
        if self._http_head is not None:
            data = self._read_http_head(self._http_head + data)
        try:
            for message in self._reader.feed(data):
                self._read_message(message)
        except WireError as error:
            self._fail(f"the server broke the protocol: {error}")

    def _read_http_head(self, received: bytes) -> bytes:
        """Return what follows the head of the HTTP answer, once that is complete."""
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            self._http_head = received
            return b""
        self._http_head = None
        if not head.startswith(b"HTTP/1.1 101"):
            self._fail(head.partition(b"\r\n")[0].decode("latin-1"))
            return b""
        return rest

    def _read_message(self, message: FrameMessage) -> None:
        if message.opcode is Opcode.PING:
            assert isinstance(message.payload, bytes)
            self._write(client_frame(message.payload, os.urandom(4), Opcode.PONG))
        elif isinstance(message.payload, str):
            self._read_packet(message.payload)

    def _read_packet(self, text: str) -> None:
        packet = engineio.decode_packet(text)
        if packet.type is engineio.EnginePacketType.MESSAGE:
            self._read_socketio(socketio.decode(text, at=1))
        elif packet.type is engineio.EnginePacketType.PING:
            self._send(engineio.EnginePacketType.PONG, b"")
        elif packet.type is engineio.EnginePacketType.OPEN:
            self._send(engineio.EnginePacketType.MESSAGE, socketio.encode_connect(payload=self._credentials))

    def _read_socketio(self, packet: socketio.SocketPacket) -> None:
        if packet.type is socketio.SocketPacketType.EVENT:
            name, args = socketio.split_event(packet.raw_json)
            if name == "authenticated" and not self.opened.done():
                self.opened.set_result(None)
            self._on_event(name, args[0])
        elif packet.type is socketio.SocketPacketType.ACK and packet.ack_id is not None:
            if (on_ack := self._acks.pop(packet.ack_id, None)) is not None:
                on_ack(socketio.split_ack(packet.raw_json)[0])
        elif packet.type is socketio.SocketPacketType.CONNECT_ERROR:
            self._fail(f"refused: {packet.raw_json}")

    def _send(self, kind: engineio.EnginePacketType, payload: bytes) -> None:
        self._write(client_frame(kind.value.encode() + payload, os.urandom(4)))

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
    """Open a connection and return once the server has said ``authenticated``.

    Raises:
        ConnectionFailed: it did not.
        OSError: nobody listens there.
        TimeoutError: no answer within 30 s.
    """
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: BenchmarkConnection(credentials, f"{host}:{port}", on_event), host, port
    )
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        await connection.opened
    return connection
