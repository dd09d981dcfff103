"""What passes between the session and its driver: how a link ended goes in, what to do comes out.

Structs and not dataclasses: a frozen one of those takes six times as long to make, and each message makes several.
"""

from __future__ import annotations

import msgspec

from chatws.client.errors import ClientError
from chatws.protocol.entities import Wire
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import Authenticated
from chatws.protocol.responses import Ok


class ConnectionEnd(msgspec.Struct, frozen=True):
    """Why a connection ended or did not come about.

    ``code`` is the server's refusal at CONNECT; ``by_server`` means a Socket.IO DISCONNECT, which is final;
    ``retry_after_s`` is a 503's Retry-After.
    """

    reason: str
    code: ErrorCode | None = None
    by_server: bool = False
    retry_after_s: float | None = None


class Emit(msgspec.Struct, frozen=True):
    """Send an event with an ack callback; the ack comes back under ``command_id``."""

    command_id: int
    name: str
    payload: Wire | str


class Deliver(msgspec.Struct, frozen=True):
    """Tell the user."""

    name: str
    payload: object


class MessageSent(msgspec.Struct, frozen=True):
    """A queued message left; its outcome is open."""

    request_id: int


class Resolve(msgspec.Struct, frozen=True):
    """A request of the user is decided."""

    request_id: int
    outcome: Ok | Authenticated | ClientError


class Connect(msgspec.Struct, frozen=True):
    """Open a link after a delay; answer with ``connection_opened`` or ``connection_ended``."""

    delay_s: float


class Drop(msgspec.Struct, frozen=True):
    """Close the link, or stop opening it; answer with ``connection_ended``."""

    reason: str


class RenewToken(msgspec.Struct, frozen=True):
    """Ask the user for a fresh token; answer with ``token_renewed``."""


Effect = Emit | Deliver | MessageSent | Resolve | Connect | Drop | RenewToken
