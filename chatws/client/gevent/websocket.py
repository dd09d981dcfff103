"""One Socket.IO connection over WebSocket, from the handshake to its end, as bytes on a stream."""

from __future__ import annotations

import base64
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from gevent import get_hub

from chatws.client.core.effects import ConnectionEnd
from chatws.client.gevent.stream import Stream
from chatws.protocol.errors import ErrorCode
from chatws.wire import engineio, socketio
from chatws.wire.errors import CloseCode, WireError
from chatws.wire.frame_parser import FrameMessage, FrameParser, Role, parse_close
from chatws.wire.frames import Opcode, client_frame, close_payload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws.client.gevent.endpoint import Endpoint

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
MAX_HEAD_BYTES: Final = 16 * 1024
MASKS_BYTES: Final = 4096
"""Random bytes drawn at once: a system call for each frame's four costs as much as the frame."""

_RETRY_AFTER = re.compile(rb"\r\nretry-after:\s*(\d{1,6})\s*(?:\r\n|\Z)", re.IGNORECASE)
_MESSAGE = engineio.EnginePacketType.MESSAGE.value.encode()
_PLAIN_EVENT = f"{engineio.EnginePacketType.MESSAGE.value}{socketio.SocketPacketType.EVENT.value}["
"""How an event of the main namespace begins that wants no answer: nearly all that a server sends."""


def _masks() -> Iterator[bytes]:
    while True:
        block = os.urandom(MASKS_BYTES)
        yield from (block[at : at + 4] for at in range(0, MASKS_BYTES, 4))


_next_mask = _masks().__next__


class WebSocketListener(Protocol):
    """Who hears a link, in the order of the packets."""

    def link_event(self, raw_json: str) -> None:
        """An event: the array of its name and arguments.

        Raises:
            WireError: it is none.
        """

    def link_ack(self, ack_id: int, raw_json: str) -> None:
        """The array of answers to what was sent under ``ack_id``.

        Raises:
            WireError: it is none.
        """

    def link_ended(self, end: ConnectionEnd) -> None:
        """It is over; nothing comes after this."""


@dataclass(slots=True)
class ConnectTimings:
    """When a connection came so far, on the clock of ``time.perf_counter``; 0 before."""

    started_s: float = 0.0
    transport_s: float = 0.0
    """The WebSocket was open and the Engine.IO handshake read."""
    namespace_s: float = 0.0
    """CONNECT was answered."""


class WebSocketConnection:
    """Good for one connection; it begins to connect at once."""

    def __init__(self, address: Endpoint, auth: dict[str, str], listener: WebSocketListener, timeout_s: float) -> None:
        self.times = ConnectTimings(started_s=time.perf_counter())
        self._address = address
        self._auth = auth
        self._listener = listener
        # The head of the HTTP answer while it is incomplete; None from then on.
        self._head: bytes | None = b""
        self._reader = FrameParser(Role.CLIENT, max_message_bytes=MAX_MESSAGE_BYTES)
        self._silence_s = timeout_s
        self._ended = False
        self._settled = False
        self._watchdog = get_hub().loop.timer(timeout_s)
        self._watchdog.start(self._on_silence)
        self._stream = Stream(address, self)

    def settle(self) -> None:
        """The server has said all that opening takes: from now on silence is measured by its heartbeat."""
        self._settled = True
        self._watchdog.stop()
        self._watchdog.close()
        self._watchdog = get_hub().loop.timer(self._silence_s, self._silence_s)
        self._watchdog.start(self._on_silence)

    def send(self, name: str, payload: object, ack_id: int) -> None:
        """Send an event that wants an answer."""
        self._send(socketio.encode_event(name, (payload,), ack_id=ack_id))

    def close(self) -> None:
        """Say goodbye and end; the listener is told."""
        self._send(socketio.encode_disconnect())
        self._stream.write(client_frame(close_payload(CloseCode.NORMAL), _next_mask(), Opcode.CLOSE))
        self.drop("client disconnect")

    def drop(self, reason: str) -> None:
        """End without a word; the listener is told."""
        self._stream.close()
        self._end(ConnectionEnd(reason))

    def cut(self) -> None:
        """End with a TCP reset; the listener is told."""
        self._stream.cut()
        self._end(ConnectionEnd("cut"))

    def stream_opened(self) -> None:
        """See `StreamListener`."""
        key = base64.b64encode(os.urandom(16)).decode()
        self._stream.write(
            f"GET {self._address.path}/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
            f"Host: {self._address.authority}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nUser-Agent: chatws-loadtest\r\n\r\n".encode()
        )

    def stream_received(self, data: bytes) -> None:
        """See `StreamListener`."""
        if self._head is not None:
            data = self._read_head(self._head + data)
        texts = self._reader.take_texts(data)
        try:
            if texts is None:
                for message in self._reader.feed(data):
                    self._read_message(message)
            else:
                for text in texts:
                    self._read_packet(text)
        except WireError as error:
            self.drop(f"the server broke the protocol: {error}")

    def stream_ended(self, reason: str) -> None:
        """See `StreamListener`."""
        self._end(ConnectionEnd(reason))

    def _read_head(self, received: bytes) -> bytes:
        """Return what follows the head of the HTTP answer, once that is complete."""
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            self._head = received
            if len(received) > MAX_HEAD_BYTES:
                self.drop("what answers is no WebSocket server")
            return b""
        self._head = None
        if head.startswith(b"HTTP/1.1 101"):
            return rest
        retry = _RETRY_AFTER.search(head)
        self._stream.close()
        status = head.partition(b"\r\n")[0].decode("latin-1")
        self._end(
            ConnectionEnd(f"the server answered {status}", retry_after_s=None if retry is None else float(retry[1]))
        )
        return b""

    def _read_message(self, message: FrameMessage) -> None:
        if message.opcode is Opcode.TEXT:
            assert isinstance(message.payload, str)
            self._read_packet(message.payload)
        elif message.opcode is Opcode.PING:
            assert isinstance(message.payload, bytes)
            self._stream.write(client_frame(message.payload, _next_mask(), Opcode.PONG))
        elif message.opcode is Opcode.CLOSE:
            assert isinstance(message.payload, bytes)
            close = parse_close(message.payload)
            self._stream.write(client_frame(message.payload, _next_mask(), Opcode.CLOSE))
            self.drop(f"transport close ({close.code})")

    def _read_packet(self, text: str) -> None:
        if text.startswith(_PLAIN_EVENT):
            self._listener.link_event(text[2:])
            return
        kind = text[:1]
        if kind == engineio.EnginePacketType.MESSAGE:
            self._read_socketio(socketio.decode(text, at=1))
        elif kind == engineio.EnginePacketType.PING:
            self._stream.write(client_frame(engineio.EnginePacketType.PONG.value.encode(), _next_mask()))
            if self._settled:
                self._watchdog.again(self._on_silence)
        elif kind == engineio.EnginePacketType.OPEN:
            self._open(engineio.decode_open(engineio.decode_packet(text)))
        elif kind == engineio.EnginePacketType.CLOSE:
            self.drop("transport close")

    def _open(self, handshake: engineio.OpenPayload) -> None:
        self.times.transport_s = time.perf_counter()
        self._silence_s = (handshake.ping_interval + handshake.ping_timeout) / 1000
        self._send(socketio.encode_connect(payload=self._auth))

    def _read_socketio(self, packet: socketio.SocketPacket) -> None:
        match packet.type:
            case socketio.SocketPacketType.EVENT:
                self._listener.link_event(packet.raw_json)
            case socketio.SocketPacketType.ACK:
                assert packet.ack_id is not None
                self._listener.link_ack(packet.ack_id, packet.raw_json)
            case socketio.SocketPacketType.CONNECT:
                self.times.namespace_s = time.perf_counter()
            case socketio.SocketPacketType.CONNECT_ERROR:
                self._stream.close()
                self._end(_read_refusal(packet.raw_json))
            case socketio.SocketPacketType.DISCONNECT:
                self._stream.close()
                self._end(ConnectionEnd("server disconnect", by_server=True))

    def _send(self, payload: bytes) -> None:
        self._stream.write(client_frame(_MESSAGE + payload, _next_mask()))

    def _on_silence(self) -> None:
        self.drop("ping timeout" if self._settled else "no answer in time")

    def _end(self, end: ConnectionEnd) -> None:
        if self._ended:
            return
        self._ended = True
        self._watchdog.stop()
        self._watchdog.close()
        self._listener.link_ended(end)


class _Refusal(msgspec.Struct):
    """CONNECT_ERROR's payload."""

    message: str = "connection refused"
    data: object = None


def _read_refusal(raw_json: str) -> ConnectionEnd:
    """Read ``{message, data: {code}}``; without a known code it is a refusal of the credentials."""
    refusal = _Refusal()
    with suppress(msgspec.DecodeError):
        refusal = msgspec.json.decode(raw_json, type=_Refusal)
    code = ErrorCode.UNAUTHORIZED
    if isinstance(refusal.data, dict):
        with suppress(ValueError):
            code = ErrorCode(str(refusal.data.get("code")))
    return ConnectionEnd(refusal.message, code=code)
