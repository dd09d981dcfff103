"""What a request gets back: ``{success: true, ...}`` or ``{success: false, error}``; REST sends the same bodies."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from chatws.protocol.entities import (
    Conversation,
    Message,
    Presence,
    ReadMark,
    Role,
    Timestamp,
    User,
    Wire,
)
from chatws.protocol.errors import ErrorBody


class Ok(Wire, frozen=True, kw_only=True):
    """Done; nothing more to say."""

    success: Literal[True] = True


class Refused(Wire, frozen=True, kw_only=True):
    """Not done, and why; a lost race brings the conversation as it is now."""

    error: ErrorBody
    success: Literal[False] = False
    conversation: Conversation | UnsetType = UNSET


class AuthAck(Ok, frozen=True, kw_only=True):
    """``authenticate`` and ``refresh_token``."""

    user_id: str
    user_name: str
    role: Role
    expires_at: Timestamp


class SendAck(Ok, frozen=True, kw_only=True):
    """The message is stored for good; ``duplicate`` when it already was."""

    message_id: str
    seq: int
    timestamp: Timestamp
    duplicate: bool | UnsetType = UNSET


class JoinAck(Ok, frozen=True, kw_only=True):
    """The state of the conversation, and what the client missed.

    ``recovered: false`` means that the client's position is not of this database: it reloads.
    """

    conversation: Conversation
    epoch: str
    recovered: bool
    messages: list[Message]
    has_more: bool
    read_marks: list[ReadMark]
    typing: list[str]
    presence: list[Presence]


class HistoryAck(Ok, frozen=True, kw_only=True):
    """A page of messages in ascending order."""

    messages: list[Message]
    has_more_before: bool
    has_more_after: bool
    head_seq: int


class InboxAck(Ok, frozen=True, kw_only=True):
    """The conversations an agent follows and the presence of the people in them."""

    conversations: list[Conversation]
    presence: list[Presence]


class ConversationAck(Ok, frozen=True, kw_only=True):
    """A conversation as it is now."""

    conversation: Conversation


class MarkAck(Ok, frozen=True, kw_only=True):
    """Where the reader's mark stands now."""

    seq: int


class ConversationList(Ok, frozen=True, kw_only=True):
    """REST: a page of conversations; ``cursor`` leads to the next one."""

    conversations: list[Conversation]
    cursor: str | None


class LoginAck(Ok, frozen=True, kw_only=True):
    """REST: a token and whose it is."""

    token: str
    expires_at: Timestamp
    user: User


class SessionAck(Ok, frozen=True, kw_only=True):
    """REST: a customer's session."""

    session_id: str
    user_id: str
    user_name: str
    conversation_id: str | None
    expires_at: Timestamp


class BotAck(Ok, frozen=True, kw_only=True):
    """REST: the customer's message is stored; ``reply`` is the bot's, unless a human holds the conversation."""

    message_id: str
    answered: bool
    reply: Message | UnsetType = UNSET


class SocketHealth(Wire, frozen=True, kw_only=True):
    """REST: the socket part of ``/health`` (guide, Monitoring)."""

    connections: int
    status: Literal["healthy"] = "healthy"


class Health(Wire, frozen=True, kw_only=True):
    """REST: ``/health``; whoever reads it knows that the process is alive."""

    status: Literal["ok"] = "ok"
    version: str
    uptime_s: int
    websocket: SocketHealth


class Ready(Wire, frozen=True, kw_only=True):
    """REST: ``/ready``, and what each part it depends on says."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]


class NotifyAck(Ok, frozen=True, kw_only=True):
    """REST: how many of this server's connections the event was handed to."""

    connections: int
