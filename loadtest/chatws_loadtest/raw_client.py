"""Socket.IO client without a session: exposes every packet and repairs nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import aiohttp
import msgspec

from chatws.wire import socketio
from chatws.wire.client_protocol import (
    PONG_PACKET,
    AckReceived,
    EventReceived,
    NamespaceConnected,
    NamespaceRefused,
    PingReceived,
    connect_packet,
    event_packet,
    read_packet,
)
from chatws.wire.engineio import EnginePacketType
from chatws.wire.errors import WireError

if TYPE_CHECKING:
    import ssl

Fields = dict[str, object]
REPLY_TIMEOUT_S: Final = 3.0
"""Time limit of a reply; far above the guide's 100 ms."""

SILENCE_S: Final = 0.4
"""Time without an event after which it counts as not sent."""


class ConnectErrorReceived(Exception):
    """The server refused the connection; the text holds its reason."""


class PacketMissing(Exception):
    """An ack or an event did not arrive in time."""


class RawClient:
    """Connection over WebSocket, created by `open` or `authenticated`."""

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.events: list[tuple[str, object]] = []
        """Events that were received and not yet taken by `expect`: name and payload."""
        self.identity: Fields = {}
        """The ``authenticated`` payload."""
        self.open_packet: Fields = {}
        self.ended = asyncio.Event()
        self.socket = socket
        self._http = http
        self._arrived = asyncio.Condition()
        self._acks: dict[int, asyncio.Future[object]] = {}
        self._refusal = ""
        self._connected = asyncio.Event()
        self._next_ack = 0
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, tls: ssl.SSLContext, auth: Fields | None = None) -> Self:
        """Open the transport and CONNECT.

        Raises:
            ConnectErrorReceived: the transport or the namespace was refused.
        """
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls))
        try:
            socket = await http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket")
        except (aiohttp.ClientError, OSError) as problem:
            await http.close()
            raise ConnectErrorReceived(str(problem)) from problem
        client = cls(http, socket)
        await client.send(connect_packet(auth))
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                await client._connected.wait()
        except TimeoutError:
            client._refusal = "no reply to CONNECT"
        if client._refusal:
            await client.close()
            raise ConnectErrorReceived(client._refusal)
        return client

    @classmethod
    async def authenticated(cls, url: str, tls: ssl.SSLContext, auth: Fields) -> Self:
        """Open a connection whose credentials are accepted.

        Raises:
            ConnectErrorReceived: the credentials were refused.
        """
        client = await cls.open(url, tls, auth)
        try:
            client.identity = _fields(await client.expect("authenticated"))
        except PacketMissing:
            await client.close()
            raise ConnectErrorReceived(f"no `authenticated` event; received {client.events}") from None
        return client

    async def send(self, packet: bytes) -> None:
        """Send a text frame unchanged; a closed connection is ignored."""
        with suppress(ConnectionError, aiohttp.ClientError):
            await self.socket.send_str(packet.decode())

    async def emit(self, name: str, *args: object) -> None:
        """Send an event without an ack id."""
        await self.send(event_packet(name, args))

    async def request(self, name: str, *args: object) -> Fields:
        """Send an event and return its ack.

        Raises:
            PacketMissing: no ack arrived.
        """
        ack_id, self._next_ack = self._next_ack, self._next_ack + 1
        reply = self._acks[ack_id] = asyncio.get_running_loop().create_future()
        await self.send(event_packet(name, args, ack_id=ack_id))
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                return _fields(await reply)
        except TimeoutError:
            raise PacketMissing(f"no ack to {name} within {REPLY_TIMEOUT_S:g} s") from None

    async def expect(self, name: str, timeout_s: float = REPLY_TIMEOUT_S, **fields: object) -> Fields:
        """Wait for an event with these fields, remove it from `events` and return its payload.

        Raises:
            PacketMissing: the event did not arrive.
        """
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                while (found := self._find(name, fields)) is None:
                    await self._arrived.wait()
        except TimeoutError:
            raise PacketMissing(f"no {name} {fields or ''} within {timeout_s:g} s") from None
        return _fields(self.events.pop(found)[1])

    async def receives(self, name: str, timeout_s: float = SILENCE_S, **fields: object) -> bool:
        """Return whether such an event arrives within a short time."""
        try:
            await self.expect(name, timeout_s, **fields)
        except PacketMissing:
            return False
        return True

    async def close(self) -> None:
        """Close the connection."""
        await self.socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._http.close()

    def _find(self, name: str, fields: Fields) -> int | None:
        for index, (received, payload) in enumerate(self.events):
            known = _fields(payload)
            if received == name and all(known.get(key) == value for key, value in fields.items()):
                return index
        return None

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    with suppress(WireError, msgspec.DecodeError):
                        await self._take(message.data)
        finally:
            self._refusal = self._refusal or ("" if self._connected.is_set() else "the connection was closed")
            self._connected.set()
            self.ended.set()

    async def _take(self, text: str) -> None:
        if text.startswith(EnginePacketType.OPEN):
            # Not `read_packet`: an incomplete handshake is a result that the report quotes.
            self.open_packet = _fields(msgspec.json.decode(text[1:]))
            return
        match read_packet(text):
            case PingReceived():
                await self.send(PONG_PACKET)
            case NamespaceConnected():
                self._connected.set()
            case NamespaceRefused(raw_json):
                self._refusal = f"connect_error {raw_json}"
                self._connected.set()
            case EventReceived(raw_json):
                name, args = socketio.split_event(raw_json)
                async with self._arrived:
                    self.events.append((name, msgspec.json.decode(args[0]) if args else None))
                    self._arrived.notify_all()
            case AckReceived(ack_id, raw_json):
                waiting = self._acks.pop(ack_id, None)
                if waiting is not None and not waiting.done():
                    args = socketio.split_ack(raw_json)
                    waiting.set_result(msgspec.json.decode(args[0]) if args else None)


def _fields(payload: object) -> Fields:
    """Return the fields of an object; empty for any other value."""
    return payload if isinstance(payload, dict) else {}
