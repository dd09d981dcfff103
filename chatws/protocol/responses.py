"""Replies to requests: ``{success: true, ...}`` or ``{success: false, error}``; REST uses the same bodies."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from chatws.protocol.entities import (
    AgentPresence,
    CannedReply,
    Conversation,
    InboxEntry,
    Message,
    Note,
    Presence,
    ReadMark,
    Role,
    SearchHit,
    Timestamp,
    User,
    Wire,
)
from chatws.protocol.errors import ErrorBody


class Ok(Wire, frozen=True, kw_only=True):
    """Success without further fields."""

    success: Literal[True] = True


class Refused(Wire, frozen=True, kw_only=True):
    """Error reply; after a version conflict it contains the current conversation."""

    error: ErrorBody
    success: Literal[False] = False
    conversation: Conversation | UnsetType = UNSET


class AuthAck(Ok, frozen=True, kw_only=True):
    """Reply to ``authenticate`` and ``refresh_token``."""

    user_id: str
    user_name: str
    role: Role
    expires_at: Timestamp


class SendAck(Ok, frozen=True, kw_only=True):
    """The message is stored durably; ``duplicate`` if it already was."""

    message_id: str
    seq: int
    timestamp: Timestamp
    duplicate: bool | UnsetType = UNSET


class JoinAck(Ok, frozen=True, kw_only=True):
    """The state of the conversation, and the messages that the client missed.

    ``recovered: false`` means that the client's position belongs to another epoch: the client has to reload.
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
    """The subscribed conversations, and the presence of their users.

    ``entries`` omits conversations without unread messages whose customer does not wait. ``hasBot`` tells whether a bot
    replies on this server, so that `assign_bot` makes sense.
    """

    conversations: list[Conversation]
    presence: list[Presence]
    entries: list[InboxEntry] | UnsetType = UNSET
    has_bot: bool = False


class ConversationAck(Ok, frozen=True, kw_only=True):
    """The current state of a conversation."""

    conversation: Conversation


class NoteAck(Ok, frozen=True, kw_only=True):
    """The stored note."""

    note: Note


class NoteList(Ok, frozen=True, kw_only=True):
    """The newest notes of a conversation, oldest first."""

    notes: list[Note]


class ReplyList(Ok, frozen=True, kw_only=True):
    """The canned replies of the server, by name."""

    replies: list[CannedReply]


class SearchAck(Ok, frozen=True, kw_only=True):
    """At most 20 conversations, most recently changed first."""

    hits: list[SearchHit]


class AgentList(Ok, frozen=True, kw_only=True):
    """The agents who are not offline, by name."""

    agents: list[AgentPresence]


class MarkAck(Ok, frozen=True, kw_only=True):
    """The read mark after the request."""

    seq: int


class ConversationList(Ok, frozen=True, kw_only=True):
    """REST: a page of conversations, and the ``cursor`` of the next one; for agents with ``entries`` as in an inbox."""

    conversations: list[Conversation]
    cursor: str | None
    entries: list[InboxEntry] | UnsetType = UNSET


class LoginAck(Ok, frozen=True, kw_only=True):
    """REST: a token and its user."""

    token: str
    expires_at: Timestamp
    user: User


class SessionAck(Ok, frozen=True, kw_only=True):
    """REST: a customer's session; ``email`` is the mail address that agents see.

    ``agentsOnline`` tells whether an agent was online on any server when the request was answered.
    """

    session_id: str
    user_id: str
    user_name: str
    email: str | UnsetType = UNSET
    conversation_id: str | None
    expires_at: Timestamp
    agents_online: bool = False


class BotAck(Ok, frozen=True, kw_only=True):
    """REST: the customer's message is stored; ``reply`` is the bot's, absent while an agent is responsible."""

    message_id: str
    answered: bool
    reply: Message | UnsetType = UNSET


class SocketHealth(Wire, frozen=True, kw_only=True):
    """REST: the WebSocket part of ``/health`` (guide, Monitoring)."""

    connections: int
    status: Literal["healthy"] = "healthy"


class Health(Wire, frozen=True, kw_only=True):
    """REST: ``/health``; any response means that the process is alive."""

    status: Literal["ok"] = "ok"
    version: str
    uptime_s: int
    websocket: SocketHealth


class Ready(Wire, frozen=True, kw_only=True):
    """REST: ``/ready``, with the state of each dependency."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, str]


class ConnectionSummary(Wire, frozen=True, kw_only=True):
    """REST: an authenticated connection, as an operator sees it."""

    socket_id: str
    user_id: str
    user_name: str
    role: Role
    address: str
    connected_at: Timestamp
    conversations: list[str]
    """Ids of the joined conversations."""
    has_inbox: bool


class ConnectionList(Ok, frozen=True, kw_only=True):
    """REST: connections of this server, oldest first; ``total`` also counts those beyond the limit."""

    connections: list[ConnectionSummary]
    total: int


class KickAck(Ok, frozen=True, kw_only=True):
    """REST: the number of connections of this server that were closed."""

    connections: int


class TraceRecord(Wire, frozen=True, kw_only=True, omit_defaults=True):
    """REST: an event that a client sent (``in``) or was sent (``out``), as a line of a trace."""

    at: Timestamp
    direction: Literal["in", "out"]
    user_id: str
    socket_id: str
    event: str
    size: int
    """Bytes of the event's JSON."""
    conversation_id: str | None = None
    latency_ms: float | None = None
    """``in``: time until the reply; ``message_received``: age of the message when it was sent."""
    result: str | None = None
    """``in``: ``ok`` or the error code of the reply."""
    payload: msgspec.Raw | UnsetType = UNSET
    dropped: int = 0
    """Records lost before this one, because the reader of the trace was too slow."""


class ConnectionCount(Ok, frozen=True, kw_only=True):
    """REST: the number of authenticated connections of this server (guide: ``getConnectionCount``)."""

    connections: int


class NotifyAck(Ok, frozen=True, kw_only=True):
    """REST: the number of connections of this server that received the event."""

    connections: int
