"""What a session needs from a transport, whichever it is."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Final, Literal, Protocol

from chatws.engine.disconnect_reason import DisconnectReason

READ_AHEAD_BYTES = 64 * 1024
"""So much waits for the handler that runs before no more is read."""
SEARCH_BYTES = 1024 * 1024
"""So much while a call waits for the client's ack, which may be behind all that the client had sent before."""

Work = partial[Coroutine[None, None, None]]
"""What handles one received packet, to be called and awaited in order; or not at all, once its session is closed."""


class Transport(Protocol):
    """One direction out to the client, and its end. Nothing here raises; a link that is gone drops what it gets."""

    @property
    def name(self) -> Literal["websocket", "polling"]:
        """The transport's name."""

    def write(self, chunk: bytes) -> None:
        """Send whole unmasked WebSocket frames, in order; a poll carries the packets in them."""

    def grant(self, size: int) -> None:
        """Let that many bytes more wait: the client asked for them itself."""

    def buffered_bytes(self) -> int:
        """Bytes that wait for the client."""

    @property
    def is_full(self) -> bool:
        """True when the client should take what waits before it is served further."""

    async def room(self) -> None:
        """Wait until the client has taken most of what waits, or is gone."""

    def read_on(self) -> None:
        """Look at once how much may be read ahead: the receiver began to wait for an ack."""

    def close(self, reason: DisconnectReason, code: int) -> None:
        """Send what waits, say that it ends, and be gone soon."""

    def abort(self) -> None:
        """Be gone now."""


class ClosedTransport:
    """The link of every session that has ended."""

    __slots__ = ()

    name: Final = "polling"
    is_full: Final = False

    def write(self, chunk: bytes) -> None:
        """Drop it."""

    def grant(self, size: int) -> None:
        """Nothing waits."""

    def buffered_bytes(self) -> int:
        """Nothing waits."""
        return 0

    async def room(self) -> None:
        """There is room."""

    def read_on(self) -> None:
        """Nothing comes."""

    def close(self, reason: DisconnectReason, code: int) -> None:
        """It is."""

    def abort(self) -> None:
        """It is."""


class PacketReceiver(Protocol):
    """The protocol above Engine.IO."""

    @property
    def awaits_ack(self) -> bool:
        """True while a call waits for the client's answer, for which more is read ahead of the handler that runs."""

    def accept_text(self, message: str, at: int) -> Work | None:
        """Take the message that begins at index ``at`` when it arrives; what must run in order is given back.

        Raises:
            WireError: the client broke the protocol.
        """

    def accept_binary(self, message: bytes) -> Work | None:
        """Take a binary message, as above."""

    def deadline_passed(self) -> None:
        """End the session, which was not admitted in time."""

    def closed(self, reason: DisconnectReason) -> None:
        """The session ended; told once."""
