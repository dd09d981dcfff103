"""Protocols between a session, its transport and the packet receiver above it, and their closed placeholders."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Final, Literal, Protocol

from chatws.engine.events import DisconnectReason

READ_AHEAD_BYTES = 64 * 1024
"""Bytes that may be queued behind the running handler before reading stops."""
READ_AHEAD_FOR_ACK_BYTES = 1024 * 1024
"""The same while a call waits for the client's ack, which may arrive behind everything that the client sent before."""

Work = partial[Coroutine[None, None, None]] | partial[Coroutine[None, None, None] | None]
"""Handler of one received packet, called in order and awaited; dropped if its session is closed before.

It returns None if nothing is left to be awaited.
"""


class Transport(Protocol):
    """Outgoing direction of a transport, and its close. No method raises; a closed transport drops frames."""

    @property
    def name(self) -> Literal["websocket", "polling"]:
        """Engine.IO name of the transport."""

    def write(self, chunk: bytes) -> None:
        """Send whole unmasked WebSocket frames, in order; polling sends the packets in them."""

    def add_allowance(self, size: int) -> None:
        """Raise the limit of waiting bytes by ``size`` until they are taken: the client requested them itself."""

    def buffered_bytes(self) -> int:
        """Return the bytes that wait for the client."""

    @property
    def is_full(self) -> bool:
        """True if the client should receive the buffered frames before its next packet is handled."""

    async def drain(self) -> None:
        """Wait until the client has taken most of the buffered frames, or has disconnected."""

    def update_read_limit(self) -> None:
        """Apply a change of the session's ``read_ahead_bytes``: the receiver began to wait for an ack."""

    def close(self, reason: DisconnectReason, code: int) -> None:
        """Send the buffered frames and a close frame or packet, then close the connection within the close timeout."""

    def abort(self) -> None:
        """Close the connection at once and drop the buffered frames."""


class PacketReceiver(Protocol):
    """Protocol above Engine.IO."""

    @property
    def awaits_ack(self) -> bool:
        """True while a call waits for the client's ack, for which more is read ahead of the running handler."""

    def accept_text(self, message: str, at: int) -> Work | None:
        """Take the message that begins at index ``at`` on arrival; return the part that must run in order.

        Raises:
            WireError: the client violated the protocol.
        """

    def accept_binary(self, message: bytes) -> Work | None:
        """Take a binary message, as ``accept_text`` does."""

    def deadline_passed(self) -> None:
        """End the session, which was not admitted in time."""

    def closed(self, reason: DisconnectReason) -> None:
        """Handle the end of the session; called once."""


class ClosedTransport:
    """Transport of a session that is not open."""

    __slots__ = ()

    name: Final = "polling"
    is_full: Final = False

    def write(self, chunk: bytes) -> None:
        """Drop the frames."""

    def add_allowance(self, size: int) -> None:
        """Do nothing."""

    def buffered_bytes(self) -> int:
        """Return 0."""
        return 0

    async def drain(self) -> None:
        """Return at once."""

    def update_read_limit(self) -> None:
        """Do nothing."""

    def close(self, reason: DisconnectReason, code: int) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""


class ClosedReceiver:
    """Packet receiver of a session that is not open."""

    __slots__ = ()

    awaits_ack: Final = False

    def accept_text(self, message: str, at: int) -> Work | None:
        """Drop the message."""

    def accept_binary(self, message: bytes) -> Work | None:
        """Drop the message."""

    def deadline_passed(self) -> None:
        """Do nothing."""

    def closed(self, reason: DisconnectReason) -> None:
        """Do nothing."""
