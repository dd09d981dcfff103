"""Socket.IO client without a session: exposes every packet and repairs nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import aiohttp
import msgspec

from chatws.client.mapping import GUIDE_MAPPING, CompiledMapping, ServerTranslator
from chatws.wire import socketio
from chatws.wire.client_packets import (
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
    from collections.abc import Sequence

    from chatws.client.mapping import ConnectRequest, OutgoingEvent
    from chatws_loadtest.chatlog.recorder import ConnectionRecording
    from chatws_loadtest.server_address import ServerAddress

Fields = dict[str, object]

SILENCE_S: Final = 0.4
"""Time without an event after which it counts as not sent."""

CONFIRMATIONS: Final = {"join_conversation": "joined_conversation", "leave_conversation": "left_conversation"}
"""Events of the guide that confirm a command; other servers may confirm it by an ack, or not at all."""


class ConnectErrorReceived(Exception):
    """The server refused the connection; the text holds its reason."""


class PacketMissing(Exception):
    """An ack or an event did not arrive in time."""


class RawClient:
    """Connection over WebSocket, created by `open` or `authenticated`.

    With a mapping, packets have the server's names and payloads, while callers see the guide's: methods raise
    `NotMapped` for a command or event that the server does not offer. Without one, payloads are passed on unchanged.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        socket: aiohttp.ClientWebSocketResponse,
        reply_timeout_s: float,
        recording: ConnectionRecording | None = None,
    ) -> None:
        self.events: list[tuple[str, object]] = []
        """Events that were received and not yet taken by `expect`: name and payload."""
        self.identity: Fields = {}
        """The ``authenticated`` payload."""
        self.open_packet: Fields = {}
        self.offset: str | None = None
        """Last string that ended an event, which the official client keeps for connection state recovery."""
        self.ended = asyncio.Event()
        self.socket = socket
        self._http = http
        self._reply_timeout_s = reply_timeout_s
        self._recording = recording
        self._arrived = asyncio.Condition()
        self._acks: dict[int, asyncio.Future[list[object]]] = {}
        # None: the server uses the guide's names.
        self._translator: ServerTranslator | None = None
        self._namespace = socketio.MAIN_NAMESPACE
        # Commands that their ack confirms, with the event of the guide to report then.
        self._confirmations: dict[int, tuple[str, Fields]] = {}
        self._connect_reply: object = None
        self._refusal = ""
        self._connected = asyncio.Event()
        self._next_ack = 0
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, server: ServerAddress, auth: Fields | None = None) -> Self:
        """Open the transport, CONNECT, and present the credentials where the mapping says.

        Raises:
            ConnectErrorReceived: the transport or the namespace was refused.
            PacketMissing: the event that presents the credentials is not acked, although the mapping says so.
            AckShapeError: its ack has another shape than the mapping describes.
        """
        translator = ServerTranslator(CompiledMapping(server.mapping))
        request = translator.connect(auth)
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=server.tls))
        try:
            address = f"{server.url}{request.path}?EIO=4&transport=websocket{request.query}"
            socket = await http.ws_connect(address, headers=request.headers)
        except (aiohttp.ClientError, OSError) as problem:
            await http.close()
            raise ConnectErrorReceived(str(problem)) from problem
        except asyncio.CancelledError:
            await http.close()
            raise
        recording = None if server.recorder is None else server.recorder.open_connection()
        client = cls(http, socket, server.reply_timeout_s, recording)
        if server.mapping != GUIDE_MAPPING:
            client._translator, client._namespace = translator, request.namespace
        try:
            await client._connect(request)
            if auth is not None:
                await client._present(auth)
        except BaseException:
            await client.close()
            raise
        return client

    @classmethod
    async def authenticated(cls, server: ServerAddress, auth: Fields) -> Self:
        """Open a connection whose credentials are accepted.

        Raises:
            ConnectErrorReceived: the credentials were refused.
        """
        try:
            client = await cls.open(server, auth)
        except PacketMissing as problem:
            raise ConnectErrorReceived(str(problem)) from problem
        try:
            client.identity = _fields(await client.expect("authenticated"))
        except BaseException as problem:
            await client.close()
            if isinstance(problem, PacketMissing):
                raise ConnectErrorReceived(f"no `authenticated` event; received {client.events}") from None
            raise
        return client

    @property
    def pid(self) -> str | None:
        """``pid`` in the reply to CONNECT."""
        pid = _fields(self._connect_reply).get("pid")
        return pid if isinstance(pid, str) else None

    async def send(self, packet: bytes) -> None:
        """Send a text frame unchanged; a closed connection is ignored."""
        if self._recording is not None:
            self._recording.packet_sent(packet.decode())
        with suppress(ConnectionError, aiohttp.ClientError):
            await self.socket.send_str(packet.decode())

    async def emit(self, name: str, *args: object) -> None:
        """Send an event without an ack id, unless the server confirms this command by its ack."""
        if self._translator is None:
            await self.send(event_packet(name, args))
        elif name == "authenticate":
            await self._present(_fields(args[0] if args else None))
        else:
            outgoing = self._translator.command(name, args[0] if args else None)
            if outgoing.confirmed_by == "ack":
                _ = await self._start_request(outgoing.name, outgoing.args, confirms=self._confirmation_of(name))
            else:
                await self._send_outgoing(name, outgoing)

    async def request(self, name: str, *args: object) -> Fields:
        """Send an event and return its ack; an empty one if the mapping says that the server does not ack it.

        Raises:
            PacketMissing: no ack arrived.
            AckShapeError: the ack has another shape than the mapping describes.
        """
        if self._translator is None:
            values = await self._wait_for_ack(name, await self._start_request(name, args))
            return _fields(values[0] if values else None)
        outgoing = self._translator.command(name, args[0] if args else None)
        if outgoing.confirmed_by != "ack" and not outgoing.awaits_ack:
            await self._send_outgoing(name, outgoing)
            return {}
        confirms = self._confirmation_of(name) if outgoing.confirmed_by == "ack" else None
        ack = await self._start_request(outgoing.name, outgoing.args, confirms=confirms)
        return self._translator.reply(name, await self._wait_for_ack(name, ack)) or {}

    async def expect(self, name: str, timeout_s: float | None = None, **fields: object) -> Fields:
        """Wait for an event with these fields, remove it from `events` and return its payload.

        Without ``timeout_s``, it waits as long as for a reply.

        Raises:
            PacketMissing: the event did not arrive.
        """
        if self._translator is not None:
            self._translator.require_event(name)
        limit_s = self._reply_timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit_s), self._arrived:
                while (found := self._find(name, fields)) is None:
                    await self._arrived.wait()
        except TimeoutError:
            raise PacketMissing(f"no {name} {fields or ''} within {limit_s:g} s") from None
        return _fields(self.events.pop(found)[1])

    async def receives(self, name: str, timeout_s: float = SILENCE_S, **fields: object) -> bool:
        """Return whether such an event arrives within a short time."""
        try:
            await self.expect(name, timeout_s, **fields)
        except PacketMissing:
            return False
        return True

    async def close(self) -> None:
        """Close the connection, also if the task is cancelled meanwhile."""
        if self._recording is not None:
            self._recording.closed("client", reason="closed")
        try:
            await self.socket.close()
            await asyncio.gather(self._reader, return_exceptions=True)
        finally:
            await self._http.close()

    async def _connect(self, request: ConnectRequest) -> None:
        await self.send(connect_packet(request.auth, request.namespace))
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                await self._connected.wait()
        except TimeoutError:
            self._refusal = "no reply to CONNECT"
        if self._refusal:
            raise ConnectErrorReceived(self._refusal)

    async def _present(self, auth: Fields) -> None:
        """Present credentials by an event if the mapping says so, and report what confirms them if it is no event."""
        if self._translator is None:
            return
        mapping = self._translator.mapping
        source = mapping.authenticated.source
        args: list[object] = [self._connect_reply]
        if mapping.auth.method == "event":
            outgoing = self._translator.sign_in(auth)
            if source == "ack":
                args = await self._wait_for_ack(outgoing.name, await self._start_request(outgoing.name, outgoing.args))
                reply = self._translator.reply("authenticate", args)
                if reply is None or reply.get("success") is not True:
                    await self._append("error", _fields(reply).get("error"))
                    return
            else:
                await self._send_outgoing("authenticate", outgoing)
        if source != "event":
            await self._append("authenticated", self._translator.identify(args))

    async def _send_outgoing(self, name: str, outgoing: OutgoingEvent) -> None:
        if outgoing.name:
            await self.send(event_packet(outgoing.name, outgoing.args, namespace=self._namespace))
        if outgoing.confirmed_by == "none":
            await self._append(*self._confirmation_of(name))

    def _confirmation_of(self, name: str) -> tuple[str, Fields]:
        assert self._translator is not None
        return CONFIRMATIONS[name], {"conversationId": self._translator.conversation_id}

    async def _start_request(
        self, name: str, args: Sequence[object], *, confirms: tuple[str, Fields] | None = None
    ) -> asyncio.Future[list[object]]:
        """Send an event with an ack id; its successful ack is also reported as the event ``confirms``."""
        ack_id, self._next_ack = self._next_ack, self._next_ack + 1
        reply = self._acks[ack_id] = asyncio.get_running_loop().create_future()
        if confirms is not None:
            self._confirmations[ack_id] = confirms
        await self.send(event_packet(name, args, ack_id=ack_id, namespace=self._namespace))
        return reply

    async def _wait_for_ack(self, name: str, reply: asyncio.Future[list[object]]) -> list[object]:
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                return await reply
        except TimeoutError:
            raise PacketMissing(f"no ack to {name} within {self._reply_timeout_s:g} s") from None

    async def _append(self, name: str, payload: object) -> None:
        async with self._arrived:
            self.events.append((name, payload))
            self._arrived.notify_all()

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
                    if self._recording is not None:
                        self._recording.packet_received(message.data, self._namespace)
                    with suppress(WireError, msgspec.DecodeError):
                        await self._take(message.data)
        finally:
            self._refusal = self._refusal or ("" if self._connected.is_set() else "the connection was closed")
            self._connected.set()
            self.ended.set()
            if self._recording is not None:
                self._recording.closed("server", self.socket.close_code)

    async def _take(self, text: str) -> None:
        if text.startswith(EnginePacketType.OPEN):
            # Not `read_packet`: an incomplete handshake is a result that the report quotes.
            self.open_packet = _fields(msgspec.json.decode(text[1:]))
            return
        match read_packet(text, self._namespace):
            case PingReceived():
                await self.send(PONG_PACKET)
            case NamespaceConnected(raw_json):
                self._connect_reply = msgspec.json.decode(raw_json) if raw_json else None
                self._connected.set()
            case NamespaceRefused(raw_json):
                self._refusal = f"connect_error {raw_json}"
                self._connected.set()
            case EventReceived(raw_json):
                name, raw_args = socketio.split_event(raw_json)
                args = [msgspec.json.decode(raw) for raw in raw_args]
                if args and isinstance(args[-1], str):
                    self.offset = args[-1]
                if self._translator is None:
                    await self._append(name, args[0] if args else None)
                    return
                for guide_name, payload in self._translator.events(name, args):
                    await self._append(guide_name, payload)
            case AckReceived(ack_id, raw_json):
                await self._take_ack(ack_id, [msgspec.json.decode(raw) for raw in socketio.split_ack(raw_json)])

    async def _take_ack(self, ack_id: int, values: list[object]) -> None:
        waiting = self._acks.pop(ack_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(values)
        confirms = self._confirmations.pop(ack_id, None)
        if confirms is None or self._translator is None:
            return
        command = next(command for command, event in CONFIRMATIONS.items() if event == confirms[0])
        reply = self._translator.reply(command, values)
        if reply is not None:
            await self._append(*confirms) if reply["success"] is True else await self._append("error", reply["error"])


def _fields(payload: object) -> Fields:
    """Return the fields of an object; empty for any other value."""
    return payload if isinstance(payload, dict) else {}
