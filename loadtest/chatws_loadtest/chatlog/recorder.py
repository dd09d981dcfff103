"""Recorder of a tool's own connections: writes what a client sends and receives to a ``.chatlog``."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from chatws.wire import socketio
from chatws.wire.client_packets import AckReceived, EventReceived, read_packet
from chatws.wire.errors import WireError
from chatws.wire.socketio import SocketPacketType
from chatws_loadtest.chatlog.payload_fields import PayloadFields, read_fields
from chatws_loadtest.chatlog.records import (
    AckRecord,
    CloseRecord,
    IdentityRecord,
    InRecord,
    MarkRecord,
    OpenRecord,
    OutRecord,
    UpgradeRecord,
)

if TYPE_CHECKING:
    from chatws_loadtest.chatlog.pseudonyms import Pseudonyms
    from chatws_loadtest.chatlog.records import Transport
    from chatws_loadtest.chatlog.writer import ChatlogWriter

IDENTITY_EVENTS: Final = frozenset({"authenticated", "welcome"})
"""Events that name the user of the connection."""


class ChatlogRecorder:
    """Recording of all connections of one process."""

    def __init__(self, writer: ChatlogWriter, names: Pseudonyms, *, first: int = 0, step: int = 1) -> None:
        """Begin with connection number ``first`` + 1; processes of one run use each ``step``-th number."""
        self.writer = writer
        self.names = names
        self._next = first + 1
        self._step = step

    def open_connection(self, transport: Transport = "websocket", at_s: float | None = None) -> ConnectionRecording:
        """Record a new connection."""
        number, self._next = self._next, self._next + self._step
        self.writer.write(OpenRecord(t=self.writer.t(at_s), c=number, transport=transport))
        return ConnectionRecording(self, number)

    def mark(self, text: str) -> None:
        """Record a note."""
        self.writer.write(MarkRecord(t=self.writer.t(), text=text))

    def close(self) -> None:
        self.writer.close()


class ConnectionRecording:
    """Recording of one connection."""

    def __init__(self, recorder: ChatlogRecorder, number: int) -> None:
        self.number = number
        self._writer = recorder.writer
        self._names = recorder.names
        self._is_closed = False

    def upgraded(self) -> None:
        """Record that a WebSocket has replaced long-polling."""
        self._writer.write(UpgradeRecord(t=self._writer.t(), c=self.number))

    def sent(self, raw_json: str | bytes, ack_id: int | None) -> None:
        """Record an event that the client sends: the JSON array of its name and arguments."""
        event, fields = _read_event(raw_json)
        self._writer.write(
            OutRecord(
                t=self._writer.t(),
                c=self.number,
                event=event,
                ack=ack_id,
                room=self._names.room(fields.room),
                size=len(raw_json),
                chars=len(fields.content),
                key=self._names.key(fields.client_id),
                message=self._names.message(fields.message),
                seq=fields.seq,
                content=fields.content if self._writer.with_content else "",
            )
        )

    def received(self, raw_json: str) -> None:
        """Record an event that the server sends."""
        event, fields = _read_event(raw_json)
        at = self._writer.t()
        user = self._names.user(fields.user)
        if event in IDENTITY_EVENTS and user:
            name = fields.name if self._writer.with_content else ""
            self._writer.write(IdentityRecord(t=at, c=self.number, user=user, role=fields.role, name=name))
        self._writer.write(
            InRecord(
                t=at,
                c=self.number,
                event=event,
                room=self._names.room(fields.room),
                size=len(raw_json),
                message=self._names.message(fields.message),
                seq=fields.seq,
                key=self._names.key(fields.client_id),
                user=user,
                content=fields.content if self._writer.with_content else "",
            )
        )

    def acked(self, ack_id: int, raw_json: str) -> None:
        """Record an ack: the JSON array of its values."""
        fields = _read_ack(raw_json)
        self._writer.write(
            AckRecord(
                t=self._writer.t(),
                c=self.number,
                ack=ack_id,
                ok=fields.ok,
                error=fields.error,
                message=self._names.message(fields.message),
                seq=fields.seq,
                size=len(raw_json),
                messages=tuple(map(self._names.message, fields.messages)),
            )
        )

    def packet_sent(self, packet: str) -> None:
        """Record an Engine.IO packet of the client; one that is no event, or is malformed, is left out."""
        with suppress(WireError, msgspec.DecodeError):
            if packet.startswith("4"):
                message = socketio.decode(packet, at=1)
                if message.type is SocketPacketType.EVENT:
                    self.sent(message.raw_json, message.ack_id)

    def packet_received(self, packet: str, namespace: str = socketio.MAIN_NAMESPACE) -> None:
        """Record an Engine.IO packet of the server; one that is no event or ack, or is malformed, is left out."""
        with suppress(WireError, msgspec.DecodeError):
            match read_packet(packet, namespace):
                case EventReceived(raw_json):
                    self.received(raw_json)
                case AckReceived(ack_id, raw_json):
                    self.acked(ack_id, raw_json)

    def closed(self, by: Literal["client", "server"], code: int | None = None, reason: str = "") -> None:
        """Record the end of the connection; the first call counts."""
        if not self._is_closed:
            self._is_closed = True
            self._writer.write(CloseRecord(t=self._writer.t(), c=self.number, by=by, code=code, reason=reason))


def _read_event(raw_json: str | bytes) -> tuple[str, PayloadFields]:
    """Read an event; its name is empty if it has none."""
    try:
        decoded = msgspec.json.decode(raw_json)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "", PayloadFields()
    if not isinstance(decoded, list) or not decoded or not isinstance(decoded[0], str):
        return "", PayloadFields()
    return decoded[0], read_fields(decoded[0], decoded[1:])


def _read_ack(raw_json: str) -> PayloadFields:
    try:
        decoded = msgspec.json.decode(raw_json)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return PayloadFields()
    if not isinstance(decoded, list):
        return PayloadFields()
    # Callbacks in the style of Node have an error, or null, before the value.
    return read_fields("", [value for value in decoded if value is not None])
