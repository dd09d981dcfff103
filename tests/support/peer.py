"""A Socket.IO client that shows everything: raw WebSocket and our packet codec, nothing repaired, nothing hidden."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, Self

import aiohttp

Payload = Any
"""Parsed JSON; a test looks at it field by field."""

PATIENCE_S = 30.0
"""How long a test waits for what must come, on the busiest machine; what comes in time costs none of it."""


class Closed(Exception):
    """The connection ended; carries the WebSocket's close code, 1006 when there was none."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code


class Refused(Exception):
    """CONNECT_ERROR; carries its payload."""

    def __init__(self, payload: Payload) -> None:
        super().__init__(payload)
        self.message = payload.get("message")
        self.code = (payload.get("data") or {}).get("code")


class Peer:
    """One connection: ``ask`` waits for the ack, ``expect`` for an event, ``settle`` for all that was sent before."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._http = http
        self._socket = socket
        self._acks: dict[int, asyncio.Future[Payload]] = {}
        self._next_ack = 0
        self._arrived = asyncio.Condition()
        self.events: list[tuple[str, Payload]] = []
        """Every event so far, in order; ``expect`` takes what it finds out of it."""
        self.disconnected = False
        """Whether the server sent DISCONNECT."""
        self.close_code: int | None = None
        self.ended = asyncio.Event()
        self.paused = asyncio.Event()
        self.paused.set()
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: str, auth: Payload = None, **options: Any) -> Self:
        """Open a connection and CONNECT.

        Raises:
            Refused: CONNECT_ERROR.
            Closed: the server closed instead.
        """
        peer = await cls.open(url, **options)
        await peer.send_raw("40" + (json.dumps(auth) if auth is not None else ""))
        try:
            answer = await peer.receive_raw()
        except BaseException:
            await peer.close()
            raise
        if answer.startswith("44"):
            await peer.close()
            raise Refused(json.loads(answer[2:]))
        peer._reader = asyncio.create_task(peer._read())
        return peer

    @classmethod
    async def open(cls, url: str, *, buffer_bytes: int = 0, **options: Any) -> Self:
        """Open the transport only; the Engine.IO handshake has been read when it returns.

        ``buffer_bytes`` bounds what this side takes while nobody reads, in the kernel and above it.
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
        assert (await peer.receive_raw()).startswith("0{")
        return peer

    async def send_raw(self, frame: str | bytes) -> None:
        """Send a text or binary frame as it is."""
        await (self._socket.send_str(frame) if isinstance(frame, str) else self._socket.send_bytes(frame))

    def write_bytes(self, stream: bytes) -> None:
        """Write to the TCP connection what need not be a WebSocket frame."""
        self._transport.write(stream)

    async def receive_raw(self) -> str:
        """Return the next text frame; only before `connect` has begun to read."""
        message = await asyncio.wait_for(self._socket.receive(), PATIENCE_S)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Closed(self._socket.close_code)
        text: str = message.data
        return text

    async def rest_of_frames(self, timeout_s: float = PATIENCE_S) -> list[str]:
        """Return every frame until the transport is closed; for connections that get no further."""
        frames = []
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    frames.append(await self.receive_raw())
        except Closed as end:
            self.close_code = end.code
            return frames

    async def ask(self, name: str, *args: Payload, timeout_s: float = PATIENCE_S) -> Payload:
        """Send an event with an ack id and return the ack's argument."""
        return await asyncio.wait_for(await self.start(name, *args), timeout_s)

    async def start(self, name: str, *args: Payload) -> asyncio.Future[Payload]:
        """Send an event with an ack id; the future is its ack, or `Closed`."""
        return await self.start_raw(json.dumps([name, *args]))

    async def start_raw(self, event: str) -> asyncio.Future[Payload]:
        """Send an event, given as JSON text, with an ack id; a second ack of it ends the reader with an error."""
        ack_id, self._next_ack = self._next_ack, self._next_ack + 1
        future = self._acks[ack_id] = asyncio.get_running_loop().create_future()
        await self.send_raw(f"42{ack_id}{event}")
        return future

    async def tell(self, name: str, *args: Payload) -> None:
        """Send an event without an ack id."""
        await self.send_raw("42" + json.dumps([name, *args]))

    async def expect(self, name: str, *, timeout_s: float = PATIENCE_S, **fields: Payload) -> Payload:
        """Wait for the event with these fields and take it out; events before it stay."""

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
        """Return when everything the server had sent until now has arrived: frames of one socket keep their order."""
        await self.ask("set_presence", {"status": "invalid"})

    def seen(self, name: str) -> list[Payload]:
        """Return the payloads of all events of this name that ``expect`` did not take."""
        return [payload for event, payload in self.events if event == name]

    def pause_reading(self) -> None:
        """Stop reading the socket, as a program does that hangs."""
        self.paused.clear()

    def resume_reading(self) -> None:
        self.paused.set()

    async def wait_closed(self, timeout_s: float = PATIENCE_S) -> int | None:
        """Wait for the end and return the close code."""
        await asyncio.wait_for(self.ended.wait(), timeout_s)
        return self.close_code

    def cut(self) -> None:
        """End the TCP connection without a word."""
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
                await self._take(message.data)
        finally:
            self.close_code = self._socket.close_code
            self.ended.set()
            for future in self._acks.values():
                if not future.done():
                    future.set_exception(Closed(self.close_code))
                    future.exception()
            async with self._arrived:
                self._arrived.notify_all()

    async def _take(self, frame: str) -> None:
        if frame == "2":
            await self._socket.send_str("3")
        elif frame.startswith("42"):
            name, *args = json.loads(frame[2:])
            async with self._arrived:
                self.events.append((name, args[0] if args else None))
                self._arrived.notify_all()
        elif frame.startswith("43"):
            opening = frame.index("[")
            future = self._acks.pop(int(frame[2:opening]))
            if not future.cancelled():  # whoever asked may have given up meanwhile
                future.set_result(json.loads(frame[opening:])[0])
        elif frame.startswith("41"):
            self.disconnected = True


def _small_socket(size: int) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        return made

    return make
