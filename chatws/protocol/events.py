"""What the server says unasked: the payload of every server-to-client event."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from chatws.protocol.entities import Conversation, Role, Timestamp, Wire
from chatws.protocol.errors import ErrorCode


class Timers(Wire, frozen=True, kw_only=True):
    """The server's timers, so that clients need not guess; milliseconds."""

    typing_resend_ms: int
    typing_expire_ms: int
    presence_grace_ms: int
    positions_ms: int


class Authenticated(Wire, frozen=True, kw_only=True):
    """Who the connection is, until when, and on which database (``epoch``)."""

    user_id: str
    user_name: str
    role: Role
    expires_at: Timestamp
    server_time: Timestamp
    epoch: str
    timers: Timers


class JoinedConversation(Wire, frozen=True, kw_only=True):
    """The connection is in the conversation's room."""

    conversation_id: str


class LeftConversation(Wire, frozen=True, kw_only=True):
    """The connection has left the conversation's room."""

    conversation_id: str


class TypingIndicator(Wire, frozen=True, kw_only=True):
    """Somebody else in the conversation began or stopped typing."""

    conversation_id: str
    user_id: str
    user_name: str
    is_typing: bool


class MessageRead(Wire, frozen=True, kw_only=True):
    """A member has read up to ``seq``."""

    conversation_id: str
    user_id: str
    seq: int
    timestamp: Timestamp


class ConversationUpdated(Wire, frozen=True, kw_only=True):
    """A conversation's status, assignee, head or last message changed."""

    conversation: Conversation


class AuthExpiring(Wire, frozen=True, kw_only=True):
    """The token runs out soon; ``refresh_token`` renews it on the live connection."""

    in_ms: int


class ServerDraining(Wire, frozen=True, kw_only=True):
    """This server stops; the connection will be closed, come back after ``retryAfterMs``."""

    retry_after_ms: int


class BotNotice(Wire, frozen=True, kw_only=True):
    """The bot had no answer (``reason`` is one word), or a conversation left it for a human, and why if it is known."""

    conversation_id: str
    kind: Literal["failed", "handed_off"]
    timestamp: Timestamp
    reason: str | UnsetType = UNSET


class Failed(Wire, frozen=True, kw_only=True):
    """The ``error`` event: a request without an ack callback failed, or the connection is about to end."""

    message: str
    code: ErrorCode
    event: str | UnsetType = UNSET


Positions = dict[str, int]
"""Heads of the joined conversations by id, so that a lost last message is noticed."""
