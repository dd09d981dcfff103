"""Payloads of the SDK's own events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from chatws.protocol.entities import Message, User
from chatws.protocol.responses import JoinAck

ConnectionState = Literal["connected", "disconnected", "reconnecting"]


class MessageReceived(msgspec.Struct, frozen=True):
    """Message of a joined conversation; each ``seq`` is delivered once and in order.

    ``own``: this client sent it. ``caught_up``: it was stored before the last join of its conversation.
    """

    message: Message
    own: bool
    caught_up: bool

    @property
    def conversation_id(self) -> str:
        return self.message.conversation_id

    @property
    def content(self) -> str:
        return self.message.content

    @property
    def sender(self) -> User:
        return self.message.sender

    @property
    def seq(self) -> int:
        return self.message.seq

    @property
    def timestamp(self) -> str:
        return self.message.timestamp


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """State of the connection; while reconnecting, the number of the next attempt and the delay before it."""

    state: ConnectionState
    reason: str
    attempt: int = 0
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class ConversationJoined:
    """Conversation that was joined; after a reconnect (``again``) changes are also delivered as the usual events."""

    conversation_id: str
    ack: JoinAck
    again: bool


@dataclass(frozen=True, slots=True)
class ConversationReloaded:
    """Messages that replace all earlier ones of a conversation, because the position is no longer valid."""

    conversation_id: str
    messages: tuple[Message, ...]
    has_more_before: bool
