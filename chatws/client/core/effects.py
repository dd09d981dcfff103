"""What passes between the session and its driver: how a link ended goes in, what to do comes out."""

from __future__ import annotations

from dataclasses import dataclass

from chatws.client.errors import ClientError
from chatws.protocol.entities import Wire
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import Authenticated
from chatws.protocol.replies import Ok


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """Why a connection ended or did not come about.

    ``code`` is the server's refusal at CONNECT; ``by_server`` means a Socket.IO DISCONNECT, which is final;
    ``retry_after_s`` is a 503's Retry-After.
    """

    reason: str
    code: ErrorCode | None = None
    by_server: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Emit:
    """Send an event with an ack callback; the ack comes back under ``command_id``."""

    command_id: int
    name: str
    payload: Wire | str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Tell the user."""

    name: str
    payload: object


@dataclass(frozen=True, slots=True)
class MessageSent:
    """A queued message left; its outcome is open."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Settle:
    """A request of the user is decided."""

    request_id: int
    outcome: Ok | Authenticated | ClientError


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a link after a delay; answer with ``link_opened`` or ``link_ended``."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the link, or stop opening it; answer with ``link_ended``."""

    reason: str


@dataclass(frozen=True, slots=True)
class RenewToken:
    """Ask the user for a fresh token; answer with ``token_renewed``."""


Effect = Emit | Deliver | MessageSent | Settle | Connect | Drop | RenewToken
