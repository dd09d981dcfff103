"""What a program gets in its hands: how a client came, and one event it sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from chatws.engine.errors import AlreadyAnswered


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a client opened its transport."""

    address: str
    """The client's own address, see ``origin.peer_address``."""
    headers: Mapping[str, str]
    """``origin`` and ``user-agent``, where sent."""
    secure: bool
    time: float
    """Unix time in seconds."""


class IncomingEvent:
    """One event; ``args`` are checked for JSON syntax and not built."""

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
        """Attachments that the placeholders in ``args`` stand for."""
        self.arrived_at = arrived_at
        """When it came, in the event loop's time, if it waited for the client's earlier ones; None: just now."""
        self.wants_ack = send_ack is not None
        self._send_ack = send_ack
        self._is_answered = False

    @property
    def is_answered(self) -> bool:
        """True once ``reply`` was called."""
        return self._is_answered

    def reply(self, *values: object) -> None:
        """Send the ack; dropped when the client wants none or is gone.

        Raises:
            AlreadyAnswered: it was called before.
            TypeError: JSON has no form for a value; the event is still unanswered.
        """
        if self._is_answered:
            raise AlreadyAnswered(self.name)
        if self._send_ack is not None:
            self._send_ack(values)
        self._is_answered = True
