"""Payloads of the server-to-client events."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from chatws.protocol.entities import Conversation, Role, Timestamp, Wire
from chatws.protocol.errors import ErrorCode


class Timers(Wire, frozen=True, kw_only=True):
    """Timers of the server, in milliseconds."""

    typing_resend_ms: int
    typing_expire_ms: int
    presence_grace_ms: int
    positions_ms: int


class Authenticated(Wire, frozen=True, kw_only=True):
    """Identity of the connection, its expiry, and the ``epoch`` of the database."""

    user_id: str
    user_name: str
    role: Role
    expires_at: Timestamp
    server_time: Timestamp
    epoch: str
    timers: Timers


class JoinedConversation(Wire, frozen=True, kw_only=True):
    """The connection has joined the conversation's room."""

    conversation_id: str


class LeftConversation(Wire, frozen=True, kw_only=True):
    """The connection has left the conversation's room."""

    conversation_id: str


class TypingIndicator(Wire, frozen=True, kw_only=True):
    """Another member of the conversation started or stopped typing."""

    conversation_id: str
    user_id: str
    user_name: str
    is_typing: bool


class MessageRead(Wire, frozen=True, kw_only=True):
    """A member has read all messages up to ``seq``."""

    conversation_id: str
    user_id: str
    seq: int
    timestamp: Timestamp


class ConversationUpdated(Wire, frozen=True, kw_only=True):
    """The status, assignee, head or last message of a conversation has changed."""

    conversation: Conversation


class AuthExpiring(Wire, frozen=True, kw_only=True):
    """The token expires soon; ``refresh_token`` renews it on the open connection."""

    in_ms: int


class ServerDraining(Wire, frozen=True, kw_only=True):
    """The server shuts down and will close the connection; reconnect after ``retryAfterMs``."""

    retry_after_ms: int


class BotNotice(Wire, frozen=True, kw_only=True):
    """The bot failed to reply (``reason`` is one word), or handed a conversation to agents (``reason`` if known)."""

    conversation_id: str
    kind: Literal["failed", "handed_off"]
    timestamp: Timestamp
    reason: str | UnsetType = UNSET


class Failed(Wire, frozen=True, kw_only=True):
    """The ``error`` event: a request without an ack callback failed, or the connection will be closed.

    The fields are those of the ``error`` in an ack; ``event`` names the request.
    """

    message: str
    code: ErrorCode
    retryable: bool = False
    retry_after_ms: int | UnsetType = UNSET
    event: str | UnsetType = UNSET


Positions = dict[str, int]
"""Heads of the joined conversations by id; they reveal a missed last message."""
