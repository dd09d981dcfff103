"""State changes that `ChatState` reports after an event; line mode and full screen render them differently.

Events that change no state (`BotNotice`, `ServerDraining`, `Failed`) are reported as they are.
"""

from __future__ import annotations

from typing import NamedTuple

from chatws.client import ConnectionChange, ConnectionState, ConversationJoined
from chatws.protocol.entities import Conversation, PresenceStatus
from chatws.protocol.events import BotNotice, Failed, ServerDraining
from chatws_cli.presentation.timeline_items import MessageItem, NoteItem


class MessageAdded(NamedTuple):
    """A message that this process did not send."""

    conversation_id: str
    item: MessageItem
    previous_seq: int
    """Newest message of the conversation before this one."""
    caught_up: bool


class NoteShown(NamedTuple):
    """A note that was not present."""

    conversation_id: str
    item: NoteItem


class TypingStateChanged(NamedTuple):
    """A user started or stopped typing."""

    conversation_id: str
    name: str
    is_typing: bool


class OwnMessagesRead(NamedTuple):
    """A read mark covers own messages that were unread."""

    conversation_id: str
    reader: str


class PresenceChanged(NamedTuple):
    """Presence of another user."""

    user_id: str
    status: PresenceStatus


class StatusChanged(NamedTuple):
    """A newer version of an open conversation."""

    conversation: Conversation


class CaughtUp(NamedTuple):
    """All messages missed during a disconnect have arrived."""

    conversation_id: str
    missed: int


class ThreadReloaded(NamedTuple):
    """The messages of a conversation were replaced, because the server has another database."""

    conversation_id: str
    items: list[MessageItem]


class ConnectionChanged(NamedTuple):
    """State of the connection."""

    change: ConnectionChange
    previous: ConnectionState


Change = (
    MessageAdded
    | NoteShown
    | TypingStateChanged
    | OwnMessagesRead
    | PresenceChanged
    | StatusChanged
    | CaughtUp
    | ThreadReloaded
    | ConnectionChanged
    | ConversationJoined
    | BotNotice
    | ServerDraining
    | Failed
)
