"""Why a connection ended, in the words of Socket.IO's server."""

from __future__ import annotations

from enum import StrEnum


class DisconnectReason(StrEnum):
    """Given to ``on_disconnect`` and counted in ``Stats.closed_total``."""

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


QUIET_ENDS = frozenset(
    {DisconnectReason.TRANSPORT_CLOSE, DisconnectReason.FORCED_CLOSE, DisconnectReason.SHUTTING_DOWN}
)
"""A poll is told nothing and the next one fails: python-socketio's client would take CLOSE there as final."""

OUR_DECISION = frozenset(
    {
        DisconnectReason.SERVER_DISCONNECT,
        DisconnectReason.FORCED_CLOSE,
        DisconnectReason.SHUTTING_DOWN,
        DisconnectReason.NOT_ADMITTED,
        DisconnectReason.REFUSED,
    }
)
"""The client is well and waits for its last packets."""
