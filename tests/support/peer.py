"""Test client on aiohttp's WebSocket and the shared packets: it exposes every packet and repairs nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, Self

import aiohttp

from chatws.wire.client_packets import (
    PONG_PACKET,
    AckReceived,
    EventReceived,
    NamespaceConnected,
    NamespaceDisconnected,
    NamespaceRefused,
    PingReceived,
    TransportOpened,
    read_packet,
)

Payload = Any
"""Parsed JSON, which a test reads field by field."""

TIMEOUT_S = 30.0
"""Bound of a wait for something that must arrive; long enough for the busiest machine."""


class Closed(Exception):
    """The connection ended; ``code`` is the WebSocket's close code, 1006 when there was none."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class PeerRefused(Exception):
    """The server replied with CONNECT_ERROR."""

    def __init__(self, payload: Payload) -> None:
        super().__init__(payload)
        self.message = payload.get("message")
        self.code = (payload.get("data") or {}).get("code")


class Peer:
    """One connection: ``call`` waits for an ack, ``expect`` for an event, ``settle`` for all packets sent before."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._http = http
        self._socket = socket
        self._acks: dict[int, asyncio.Future[Payload]] = {}
        self._next_ack = 0
        self._arrived = asyncio.Condition()
        self.events: list[tuple[str, Payload]] = []
        """Every event received so far, in order; ``expect`` removes the one that it returns."""
        self.disconnected = False
        """Whether the server sent DISCONNECT."""
        self.accepted: Payload = None
        """Payload of the reply to CONNECT."""
        self.close_code: int | None = None
        self.ended = asyncio.Event()
        self.paused = asyncio.Event()
        self.paused.set()
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: str, auth: Payload = None, **options: Any) -> Self:
        """Open a connection and CONNECT.

        Raises:
            PeerRefused: CONNECT_ERROR.
            Closed: the server closed the connection instead.
        """
        peer = await cls.open(url, **options)
        # `json.dumps` also writes lone surrogates, which a hostile client may send.
        await peer.send_raw("40" + (json.dumps(auth) if auth is not None else ""))
        try:
            reply = read_packet(await peer.receive_raw())
        except BaseException:
            await peer.close()
            raise
        if isinstance(reply, NamespaceRefused):
            await peer.close()
            raise PeerRefused(json.loads(reply.raw_json))
        assert isinstance(reply, NamespaceConnected)
        peer.accepted = json.loads(reply.raw_json)
        peer._reader = asyncio.create_task(peer._read())
        return peer

    @classmethod
    async def open(cls, url: str, *, buffer_bytes: int = 0, **options: Any) -> Self:
        """Open the transport only, and read the Engine.IO handshake.

        ``buffer_bytes`` bounds what this side buffers while it is not reading, in the kernel and above it.
        """
        connector = aiohttp.TCPConnector(socket_factory=_small_socket(buffer_bytes)) if buffer_bytes else None
        http = aiohttp.ClientSession(connector=connector, read_bufsize=buffer_bytes or 2**16)
        try:
            address = f"{url}/socket.io/?EIO=4&transport=websocket"
            socket = await http.ws_connect(address, max_msg_size=0, **options)
        except BaseException:
            await http.close()
            raise
        peer = cls(http, socket)
        try:
            assert isinstance(read_packet(await peer.receive_raw()), TransportOpened)
        except BaseException:
            await peer.close()
            raise
        return peer

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a text or binary frame as it is."""
        await (self._socket.send_str(frame) if isinstance(frame, str) else self._socket.send_bytes(frame))

    def write_bytes(self, stream: bytes) -> None:
        """Write bytes to the TCP connection that need not be a WebSocket frame."""
        self._transport.write(stream)

    async def receive_raw(self) -> str:
        """Return the next text frame; only before `connect` has started the reader."""
        message = await asyncio.wait_for(self._socket.receive(), TIMEOUT_S)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Closed(self._socket.close_code)
        text: str = message.data
        return text

    async def rest_of_frames(self, timeout_s: float = TIMEOUT_S) -> list[str]:
        """Return every frame until the transport is closed; for connections without a reader."""
        frames = []
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    frames.append(await self.receive_raw())
        except Closed as end:
            self.close_code = end.code
            return frames

    async def call(self, name: str, *args: Payload, timeout_s: float = TIMEOUT_S) -> Payload:
        """Send an event with an ack id and return the ack's argument."""
        return await asyncio.wait_for(await self.start(name, *args), timeout_s)

    async def start(self, name: str, *args: Payload) -> asyncio.Future[Payload]:
        """Send an event with an ack id; the future is its ack, or `Closed`."""
        return await self.start_raw(json.dumps([name, *args]))

    async def start_raw(self, event: str) -> asyncio.Future[Payload]:
        """Send an event, given as JSON text, with an ack id; a second ack of it fails the reader."""
        ack_id, self._next_ack = self._next_ack, self._next_ack + 1
        future = self._acks[ack_id] = asyncio.get_running_loop().create_future()
        await self.send_raw(f"42{ack_id}{event}")
        return future

    async def emit(self, name: str, *args: Payload) -> None:
        """Send an event without an ack id."""
        await self.send_raw("42" + json.dumps([name, *args]))

    async def expect(self, name: str, *, timeout_s: float = TIMEOUT_S, **fields: Payload) -> Payload:
        """Wait for the event with these fields and remove it; earlier events stay."""

        def find() -> int | None:
            for index, (event, payload) in enumerate(self.events):
                if event == name and all(payload.get(key) == value for key, value in fields.items()):
                    return index
            return None

        async with self._arrived:
            try:
                async with asyncio.timeout(timeout_s):
                    while (index := find()) is None:
                        if self.ended.is_set():
                            raise Closed(self.close_code)
                        await self._arrived.wait()
            except TimeoutError:
                raise AssertionError(f"no {name} with {fields}; got {self.events}") from None
        return self.events.pop(index)[1]

    async def settle(self) -> None:
        """Wait for the ack of a new request, which follows all packets that the server sent before."""
        await self.call("set_presence", {"status": "invalid"})

    def seen(self, name: str) -> list[Payload]:
        """Return the payloads of all events of this name that ``expect`` did not remove."""
        return [payload for event, payload in self.events if event == name]

    def pause_reading(self) -> None:
        """Stop reading the socket, as a stalled client does."""
        self.paused.clear()

    def resume_reading(self) -> None:
        self.paused.set()

    async def wait_closed(self, timeout_s: float = TIMEOUT_S) -> int | None:
        """Wait for the end and return the close code."""
        await asyncio.wait_for(self.ended.wait(), timeout_s)
        return self.close_code

    def cut(self) -> None:
        """Close the TCP connection abruptly."""
        self._transport.abort()

    @property
    def _transport(self) -> asyncio.Transport:
        transport = self._socket._response.connection.transport  # type: ignore[union-attr]  # an open WebSocket has one
        assert transport is not None
        return transport

    async def close(self) -> None:
        """End the connection and its reader."""
        await self._socket.close()
        if self._reader is not None:
            self.resume_reading()
            await self._reader
        await self._http.close()

    async def _read(self) -> None:
        try:
            while True:
                await self.paused.wait()
                message = await self._socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                await self._receive(message.data)
        finally:
            self.close_code = self._socket.close_code
            self.ended.set()
            for future in self._acks.values():
                if not future.done():
                    future.set_exception(Closed(self.close_code))
                    future.exception()
            async with self._arrived:
                self._arrived.notify_all()

    async def _receive(self, frame: str) -> None:
        match read_packet(frame):
            case PingReceived():
                await self.send_raw(PONG_PACKET.decode())
            case EventReceived(raw_json):
                name, *args = json.loads(raw_json)
                async with self._arrived:
                    self.events.append((name, args[0] if args else None))
                    self._arrived.notify_all()
            case AckReceived(ack_id, raw_json):
                future = self._acks.pop(ack_id)
                if not future.cancelled():  # `call` may have timed out
                    future.set_result(json.loads(raw_json)[0])
            case NamespaceDisconnected():
                self.disconnected = True


def _small_socket(size: int) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        return made

    return make
