"""Effects that a session returns to its driver, and the end of a connection that the driver reports.

Structs, because a frozen dataclass takes six times as long to construct, and each message constructs several.
"""

from __future__ import annotations

import msgspec

from chatws.client.errors import ClientError
from chatws.protocol.entities import Wire
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import Authenticated
from chatws.protocol.responses import Ok


class ConnectionEnd(msgspec.Struct, frozen=True):
    """Reason why a connection ended or could not be opened.

    ``code`` is the server's refusal at CONNECT; ``by_server`` means a Socket.IO DISCONNECT, which is final;
    ``retry_after_s`` is the Retry-After of a 503 response.
    """

    reason: str
    code: ErrorCode | None = None
    by_server: bool = False
    retry_after_s: float | None = None


class Emit(msgspec.Struct, frozen=True):
    """Send a command; its ack is passed back under ``command_id``."""

    command_id: int
    name: str
    payload: Wire | str


class Deliver(msgspec.Struct, frozen=True):
    """Deliver an event to the user."""

    name: str
    payload: object


class MessageSent(msgspec.Struct, frozen=True):
    """Record that a queued message was sent; its outcome is open."""

    request_id: int


class Resolve(msgspec.Struct, frozen=True):
    """Pass the outcome of a request to the user."""

    request_id: int
    outcome: Ok | Authenticated | ClientError


class Connect(msgspec.Struct, frozen=True):
    """Open a connection after a delay; ``connection_opened`` or ``connection_ended`` follows."""

    delay_s: float


class Drop(msgspec.Struct, frozen=True):
    """Close the connection, or stop opening it; ``connection_ended`` follows."""

    reason: str


class RenewToken(msgspec.Struct, frozen=True):
    """Request a fresh token from the user; ``token_renewed`` follows."""


Effect = Emit | Deliver | MessageSent | Resolve | Connect | Drop | RenewToken
