"""What the user of the SDK is told beyond the payloads of the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from chatws.protocol.entities import Message, User
from chatws.protocol.responses import JoinAck

ConnectionState = Literal["connected", "disconnected", "reconnecting"]


class MessageReceived(msgspec.Struct, frozen=True):
    """A message, in its place: every ``seq`` of a joined conversation once, in order.

    ``own`` says that this process sent it; ``caught_up`` that it is older than the connection that brought it.
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
    """The connection's state; while reconnecting, which attempt comes after how many seconds."""

    state: ConnectionState
    reason: str
    attempt: int = 0
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class ConversationJoined:
    """A room was entered; after a reconnection (``again``) the differences are told as the usual events, too."""

    conversation_id: str
    ack: JoinAck
    again: bool


@dataclass(frozen=True, slots=True)
class ConversationReloaded:
    """The known position is worth nothing any more: forget the conversation's messages and show these."""

    conversation_id: str
    messages: tuple[Message, ...]
    has_more_before: bool
