"""Values passed to the program: handshake, incoming event, disconnect reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from chatws.engine.errors import AlreadyAnswered


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


class IncomingEvent:
    """Event received from a client; the JSON syntax of ``args`` is checked, their values are not decoded yet."""

    __slots__ = ("_is_answered", "_send_ack", "args", "arrived_at", "buffers", "name", "wants_ack")

    def __init__(
        self,
        name: str,
        args: list[msgspec.Raw],
        buffers: tuple[bytes, ...],
        send_ack: Callable[[tuple[object, ...]], None] | None,
        arrived_at: float | None = None,
    ) -> None:
        self.name = name
        self.args = args
        self.buffers = buffers
        """Attachments referenced by the placeholders in ``args``."""
        self.arrived_at = arrived_at
        """Arrival in the event loop's time if the event was queued behind earlier ones; None if it was not."""
        self.wants_ack = send_ack is not None
        self._send_ack = send_ack
        self._is_answered = False

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
        if self._send_ack is not None:
            self._send_ack(values)
        self._is_answered = True
