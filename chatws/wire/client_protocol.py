"""Sans-I/O Socket.IO client over WebSocket: received bytes in, typed events and bytes to send out.

`SocketIOClientProtocol` covers one connection of the main namespace, from the HTTP upgrade to the close frame. A client
that leaves frames to a WebSocket library uses `client_packets` only.

Sources: RFC 6455 sections 4.1 and 5; the Engine.IO protocol, revision 4; the Socket.IO protocol, revision 5.
"""

from __future__ import annotations

import base64
import os
import re
import struct
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

import msgspec

from chatws.wire import socketio
from chatws.wire.client_packets import (
    MESSAGE,
    PLAIN_EVENT,
    PONG_PACKET,
    EventReceived,
    PacketEvent,
    PingReceived,
    ProtocolViolated,
    TransportClosed,
    TransportOpened,
    connect_packet,
    disconnect_packet,
    read_packet,
    read_plain_ack,
)
from chatws.wire.errors import CloseCode, HandshakeError, PacketError, ViolationKind, WireError
from chatws.wire.frame_parser import FrameMessage, FrameParser, Role, parse_close
from chatws.wire.frames import Opcode, client_frame, client_text_frame, close_payload
from chatws.wire.handshake_key import accept_value

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
MAX_HEAD_BYTES: Final = 16 * 1024
MASK_BLOCK_BYTES: Final = 4096
"""Random bytes drawn at once: a system call for each frame's four bytes costs as much as the frame."""

_split_masks = struct.Struct("4s" * (MASK_BLOCK_BYTES // 4)).unpack
# Not a generator, which two threads must not run at the same time.
_next_mask = chain.from_iterable(map(_split_masks, iter(partial(os.urandom, MASK_BLOCK_BYTES), b""))).__next__

_ACCEPT = re.compile(rb"\r\nsec-websocket-accept:[ \t]*(\S+)[ \t]*(?:\r\n|\Z)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after:\s*(\d{1,6})\s*(?:\r\n|\Z)", re.IGNORECASE)


class UpgradeRejected(msgspec.Struct, frozen=True, gc=False):
    """Response to the upgrade request with an HTTP status other than 101."""

    status_line: str
    retry_after_s: float | None


class ProbeAnswered(msgspec.Struct, frozen=True, gc=False):
    """Reply to the probe of an upgrade: the client may stop polling and use the WebSocket."""


ClientEvent = PacketEvent | UpgradeRejected | ProbeAnswered | ProtocolViolated


def mask_frame(payload: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    """Build one client frame with a random mask."""
    return client_frame(payload, _next_mask(), opcode)


class SocketIOClientProtocol:
    """Socket.IO client of one WebSocket connection.

    Write `upgrade_request` to the stream, pass received bytes to `receive_data`, handle its events, and then write
    `data_to_send`: PONG and close frames are queued there. Other packets are framed by the ``send_*`` methods, which
    return the bytes and do not check the order. The caller sends CONNECT (`send_connect`) after `TransportOpened`,
    chooses the ack ids, and closes the stream after `UpgradeRejected`, `TransportClosed` and `ProtocolViolated`.
    """

    __slots__ = (
        "_has_ended",
        "_head",
        "_is_receiving",
        "_key",
        "_namespace",
        "_outgoing",
        "_parser",
        "_request_head",
        "has_data_to_send",
    )

    def __init__(
        self,
        authority: str,
        *,
        path: str = "",
        engine_path: str = "/socket.io/",
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        namespace: str = socketio.MAIN_NAMESPACE,
        sid: str = "",
    ) -> None:
        """Prepare a connection to the host and port ``authority``; ``path`` is the prefix of ``engine_path``.

        ``query``, parameters in addition to Engine.IO's, is empty or begins with ``&``.
        ``sid`` is the open session that an upgrade continues, see `UpgradeClientProtocol`.
        """
        self._key = base64.b64encode(os.urandom(16))
        session = f"&sid={sid}" if sid else ""
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._request_head = (
            f"GET {path}{engine_path}?EIO=4&transport=websocket{query}{session} HTTP/1.1\r\nHost: {authority}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {self._key.decode()}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{more}\r\n"
        )
        self._namespace = namespace
        self._parser = FrameParser(Role.CLIENT, max_message_bytes=MAX_MESSAGE_BYTES)
        # Head of the HTTP response while it is incomplete; None from then on.
        self._head: bytes | None = b""
        # True between OPEN and the end.
        self._is_receiving = False
        self._has_ended = False
        self.has_data_to_send = False
        """Whether `data_to_send` returns anything; an attribute, because it is checked after every read."""
        self._outgoing = b""

    def upgrade_request(self) -> bytes:
        """Return the HTTP request that opens the connection."""
        return self._request_head.encode()

    def receive_data(self, data: bytes) -> list[ClientEvent]:
        """Parse received bytes, which may end anywhere, and return the events that they complete."""
        if not self._is_receiving or (texts := self._parser.take_texts(data)) is None:
            return self._receive_slowly(data)
        events: list[ClientEvent] = []
        for text in texts:
            # The two packets of nearly all traffic; a method call for each would cost a tenth of the time.
            if text.startswith(PLAIN_EVENT):
                events.append(EventReceived(text[2:]))
            elif (ack := read_plain_ack(text)) is not None:
                events.append(ack)
            else:
                self._receive_text(text, events)
                if self._has_ended:
                    break
        return events

    def data_to_send(self) -> bytes:
        """Return the queued replies to received frames and clear the queue; empty unless `has_data_to_send`."""
        self.has_data_to_send = False
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    def send_connect(self, auth: object = None) -> bytes:
        """Frame CONNECT with the credentials."""
        return mask_frame(connect_packet(auth, self._namespace))

    def send_event(self, name: str, args: Sequence[object] = (), *, ack_id: int | None = None) -> bytes:
        """Frame an event; ``ack_id`` requests an ack.

        Raises:
            TypeError: an argument cannot be encoded as JSON.
        """
        packet = socketio.encode_event(name, args, ack_id=ack_id, namespace=self._namespace)
        return client_text_frame(MESSAGE + packet, _next_mask())

    def send_disconnect(self) -> bytes:
        """Frame DISCONNECT."""
        return mask_frame(disconnect_packet(self._namespace))

    def send_close(self, code: CloseCode = CloseCode.NORMAL) -> bytes:
        """Frame a WebSocket close."""
        return mask_frame(close_payload(code), Opcode.CLOSE)

    def _receive_slowly(self, data: bytes) -> list[ClientEvent]:
        """Parse bytes that are not whole text frames, or that arrive before OPEN or after the end."""
        events: list[ClientEvent] = []
        if not self._has_ended:
            rest = data if self._head is None else self._receive_head(self._head + data, events)
            messages, error = self._parser.read(rest)
            self._receive_messages(messages, error, events)
        return events

    def _receive_head(self, received: bytes, events: list[ClientEvent]) -> bytes:
        """Return the bytes behind the head of the HTTP response once that is complete."""
        head, end, rest = received.partition(b"\r\n\r\n")
        if len(head) > MAX_HEAD_BYTES:
            self._end(
                ProtocolViolated(HandshakeError(ViolationKind.OVERSIZE, "HTTP response head is too long")), events
            )
            return b""
        if not end:
            self._head = received
            return b""
        self._head = None
        if not head.startswith(b"HTTP/1.1 101"):
            retry = _RETRY_AFTER.search(head)
            status_line = head.partition(b"\r\n")[0].decode("latin-1")
            self._end(UpgradeRejected(status_line, None if retry is None else float(retry[1])), events)
            return b""
        accept = _ACCEPT.search(head)
        if accept is None or accept[1] != accept_value(self._key):
            error = HandshakeError(ViolationKind.MALFORMED, "Sec-WebSocket-Accept does not answer the key")
            self._end(ProtocolViolated(error), events)
            return b""
        self._accepted()
        return rest

    def _accepted(self) -> None:
        """Process the server's acceptance of the WebSocket."""

    def _receive_messages(
        self, messages: list[FrameMessage], error: WireError | None, events: list[ClientEvent]
    ) -> None:
        for message in messages:
            if self._has_ended:
                return
            self._receive_message(message, events)
        if error is not None and not self._has_ended:
            self._end(ProtocolViolated(error), events)

    def _receive_message(self, message: FrameMessage, events: list[ClientEvent]) -> None:
        payload = message.payload
        if isinstance(payload, str):
            self._receive_text(payload, events)
        elif message.opcode is Opcode.PING:
            self._queue(mask_frame(payload, Opcode.PONG))
        elif message.opcode is Opcode.CLOSE:
            try:
                status = parse_close(payload)
            except WireError as error:
                self._end(ProtocolViolated(error), events)
                return
            self._queue(mask_frame(payload, Opcode.CLOSE))
            self._end(TransportClosed(status.code), events)
        elif message.opcode is Opcode.BINARY:
            violation = PacketError(ViolationKind.BINARY, "binary message without a binary packet")
            self._end(ProtocolViolated(violation), events)

    def _receive_text(self, text: str, events: list[ClientEvent]) -> None:
        try:
            event = read_packet(text, self._namespace)
            if isinstance(event, TransportOpened) is self._is_receiving:
                raise PacketError(ViolationKind.ORDER, "OPEN is missing or repeated")
        except WireError as error:
            self._end(ProtocolViolated(error), events)
            return
        if event is None:
            return
        events.append(event)
        if isinstance(event, PingReceived):
            self._queue(mask_frame(PONG_PACKET))
        elif isinstance(event, TransportOpened):
            self._is_receiving = True
        elif isinstance(event, TransportClosed):
            self._is_receiving, self._has_ended = False, True

    def _queue(self, frame: bytes) -> None:
        self._outgoing += frame
        self.has_data_to_send = True

    def _end(self, event: ClientEvent, events: list[ClientEvent]) -> None:
        self._is_receiving, self._has_ended = False, True
        events.append(event)
