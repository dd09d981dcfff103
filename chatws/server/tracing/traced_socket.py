"""Socket whose outgoing events are recorded."""

from __future__ import annotations

from datetime import datetime

import msgspec

from chatws.engine import Socket
from chatws.protocol.ids import format_timestamp, now_unix_ms
from chatws.protocol.responses import TraceRecord
from chatws.server.connections.registry import Connection
from chatws.wire.frames import Opcode, iter_server_frames
from chatws.wire.socketio import split_event

_EVENT_PREFIX = b"42["
"""Engine.IO MESSAGE with a Socket.IO EVENT of the main namespace."""


class _Stamped(msgspec.Struct, frozen=True):
    timestamp: datetime


_decode_stamped = msgspec.json.Decoder(_Stamped).decode


class TracedSocket(Socket[Connection | None]):
    """Class of a socket while a trace observes it.

    The class of the existing object is exchanged, so that sockets that no trace observes pay nothing for this.
    """

    __slots__ = ()

    def deliver(self, chunk: bytes) -> None:
        """Record the events in the frames, then send them."""
        connection = self.data
        # Until the socket is connected, frames only wait, and are delivered once more then.
        if self.connected and connection is not None and connection.identity is not None:
            for opcode, payload in iter_server_frames(chunk):
                if opcode is Opcode.TEXT and payload.startswith(_EVENT_PREFIX):
                    self._record(connection, payload[len(_EVENT_PREFIX) - 1 :])
        super().deliver(chunk)

    def _record(self, connection: Connection, raw_json: bytes) -> None:
        name, args = split_event(raw_json.decode())
        now_ms = now_unix_ms()
        record = TraceRecord(
            at=format_timestamp(now_ms),
            direction="out",
            user_id=connection.user_id,
            socket_id=self.id,
            event=name,
            size=len(raw_json),
            latency_ms=_age_ms(args, now_ms) if name == "message_received" else None,
        )
        for tracer in connection.tracers:
            tracer.add(record, args)


def observe(socket: Socket[Connection | None]) -> None:
    """Record what the socket sends for the tracers of its connection."""
    socket.__class__ = TracedSocket


def release(socket: Socket[Connection | None]) -> None:
    """Stop recording."""
    socket.__class__ = Socket


def _age_ms(args: list[msgspec.Raw], now_ms: int) -> float | None:
    try:
        return round(now_ms - _decode_stamped(args[0]).timestamp.timestamp() * 1000, 1)
    except (msgspec.DecodeError, IndexError):
        return None
