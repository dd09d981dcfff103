"""Values passed to the program: handshake, incoming event, disconnect reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from chatws.engine.errors import AlreadyAnswered
from chatws.wire.socketio import split_event


class DisconnectReason(StrEnum):
    """Reason for the end of a connection, as named by Socket.IO's server; label of ``EngineStats.closed_total``."""

    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PING_TIMEOUT = "ping timeout"
    PARSE_ERROR = "parse error"
    CLIENT_DISCONNECT = "client namespace disconnect"
    SERVER_DISCONNECT = "server namespace disconnect"
    FORCED_CLOSE = "forced server close"
    SHUTTING_DOWN = "server shutting down"
    SLOW = "slow"
    NOT_ADMITTED = "not admitted"
    """No socket of the session connected, or was admitted, in time."""
    REFUSED = "refused"
    """The program refused the CONNECT."""


REASONS_WITHOUT_CLOSE_PACKET = frozenset(
    {DisconnectReason.TRANSPORT_CLOSE, DisconnectReason.FORCED_CLOSE, DisconnectReason.SHUTTING_DOWN}
)
"""Reasons for which a poll gets no CLOSE packet and the next one fails: python-socketio's client does not reconnect
after CLOSE."""

SERVER_INITIATED = frozenset(
    {
        DisconnectReason.SERVER_DISCONNECT,
        DisconnectReason.FORCED_CLOSE,
        DisconnectReason.SHUTTING_DOWN,
        DisconnectReason.NOT_ADMITTED,
        DisconnectReason.REFUSED,
    }
)
"""Reasons after which the client is still connected and polls for its last packets."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """Properties of the request that opened a session."""

    address: str
    """Address of the client, see ``origin.peer_address``."""
    headers: Mapping[str, str]
    """``origin`` and ``user-agent``, if sent."""
    secure: bool
    time: float
    """Unix time in seconds."""


class AckSender(Protocol):
    """Socket that an event came from."""

    def send_ack(self, ack_id: int, values: tuple[object, ...]) -> None:
        """Send an ack; dropped if the client has disconnected."""


class IncomingEvent:
    """Event received from a client; its payload is read by ``name`` and ``args``, or by the program itself."""

    __slots__ = ("_ack_id", "_is_answered", "_parts", "_socket", "arrived_at", "buffers", "raw_json")

    def __init__(
        self,
        socket: AckSender,
        raw_json: str,
        ack_id: int | None = None,
        buffers: tuple[bytes, ...] = (),
        arrived_at: float | None = None,
    ) -> None:
        self.raw_json = raw_json
        """JSON array of name and arguments, as received: its syntax is not checked."""
        self.buffers = buffers
        """Attachments referenced by the placeholders in ``args``."""
        self.arrived_at = arrived_at
        """Arrival in the event loop's time if the event was queued behind earlier ones; None if it was not."""
        self._socket = socket
        self._ack_id = ack_id
        self._is_answered = False
        # Set when ``name`` or ``args`` is first read.
        self._parts: tuple[str, list[msgspec.Raw]] | None = None

    @property
    def name(self) -> str:
        """Name of the event.

        Raises:
            PacketError: the payload is not a JSON array that begins with a string, or the name is reserved.
        """
        return self._split()[0]

    @property
    def args(self) -> list[msgspec.Raw]:
        """Arguments, whose syntax is checked and whose values are not decoded.

        Raises:
            PacketError: as ``name``.
        """
        return self._split()[1]

    @property
    def wants_ack(self) -> bool:
        """True if the client requested an ack."""
        return self._ack_id is not None

    @property
    def is_answered(self) -> bool:
        """True once ``reply`` was called."""
        return self._is_answered

    def reply(self, *values: object) -> None:
        """Send the ack; dropped if the client requested none or has disconnected.

        Raises:
            AlreadyAnswered: it was called before.
            TypeError: a value cannot be encoded as JSON; the event is still unanswered.
        """
        if self._is_answered:
            raise AlreadyAnswered(self.name)
        if self._ack_id is not None:
            self._socket.send_ack(self._ack_id, values)
        self._is_answered = True

    def _split(self) -> tuple[str, list[msgspec.Raw]]:
        if self._parts is None:
            self._parts = split_event(self.raw_json)
        return self._parts
