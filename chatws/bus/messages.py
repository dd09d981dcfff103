"""Messages between servers: one struct for each kind, and the envelope that carries it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chatws.protocol.entities import Conversation, Id, Message, Note, PresenceChoice, PresenceStatus, User
from chatws.protocol.events import BotNotice, MessageRead

MAX_MESSAGE_BYTES = 256 * 1024
"""Maximum size in JSON; a changed conversation, before and after, each with the longest message, has about 70 KiB."""

INBOX = "inbox"
"""Channel of every server with a subscriber of the list of conversations."""

EventName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_:.-]{1,64}\Z")]
UnixMs = Annotated[int, Meta(ge=0)]


def conversation_channel(conversation_id: str) -> str:
    """Return the channel of every server that hosts the conversation."""
    return f"conversation:{conversation_id}"


def user_channel(user_id: str) -> str:
    """Return the channel of every server to which the user is connected."""
    return f"user:{user_id}"


class BusMessageBase(msgspec.Struct, frozen=True, rename="camel", tag_field="kind", kw_only=True):
    """Base of the messages; unknown fields are ignored, so that servers of different releases can work together."""


class MessageStored(BusMessageBase, frozen=True, tag="message", kw_only=True):
    """Committed chat message."""

    message: Message


class ConversationChanged(BusMessageBase, frozen=True, tag="conversation", kw_only=True):
    """Change of a conversation's status or assignee; ``before`` is None if the previous state is unknown."""

    before: Conversation | None
    after: Conversation


class ConversationTouched(BusMessageBase, frozen=True, tag="touched", kw_only=True):
    """Change that is visible in the list of conversations; receivers read it from the database."""

    conversation_id: Id


class TypingChanged(BusMessageBase, frozen=True, tag="typing", kw_only=True):
    """Typing state of a user connected to the origin; repeated while the user keeps typing."""

    conversation_id: Id
    user: User
    is_typing: bool


class ReadMoved(BusMessageBase, frozen=True, tag="read", kw_only=True):
    """Advance of a member's read mark."""

    read: MessageRead


class NotePublished(BusMessageBase, frozen=True, tag="note", kw_only=True):
    """Stored note, for the agents who joined its conversation."""

    note: Note


class ClientChoice(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Status that a user has chosen on one client; of several choices of a client, the latest one applies.

    ``pids`` are those that the client may present when it returns: that of its last connection, and the one before if
    the client did not receive the reply to its last CONNECT.
    """

    pids: tuple[str, ...]
    status: PresenceChoice
    chosen_ms: UnixMs


class PresenceEntry(BusMessageBase, frozen=True, tag="presence", kw_only=True):
    """Presence of a user on one server.

    ``offline`` means that the user has no connection to that server. ``rooms`` are the ids of the conversations joined
    by the user's connections there. ``is_leaving``: the last connection is closed, and the grace period runs.
    ``choices`` are those of open connections and of closed ones whose clients may return.
    """

    user: User
    status: PresenceStatus
    since_ms: UnixMs
    rooms: tuple[str, ...] = ()
    is_leaving: bool = False
    choices: tuple[ClientChoice, ...] = ()


class UserEvent(BusMessageBase, frozen=True, tag="event", kw_only=True):
    """Event for every connection of one user (guide: ``sendToUser``); the payload is passed unchanged."""

    user_id: Id
    name: EventName
    payload: msgspec.Raw | UnsetType = UNSET


class Revoked(BusMessageBase, frozen=True, tag="revoked", kw_only=True):
    """Request to close the connections of a user who was logged out, disabled or erased."""

    user_id: Id


class Kicked(BusMessageBase, frozen=True, tag="kick", kw_only=True):
    """Request of an operator to close the connections of a user."""

    user_id: Id


class HostingBegan(BusMessageBase, frozen=True, tag="hosting", kw_only=True):
    """Start of hosting a conversation on the origin; other hosts reply with presence and typing states."""

    conversation_id: Id


class BotNoticed(BusMessageBase, frozen=True, tag="bot", kw_only=True):
    """Notice about a bot for every agent subscribed to an inbox."""

    notice: BotNotice


BusMessage = (
    MessageStored
    | ConversationChanged
    | ConversationTouched
    | TypingChanged
    | ReadMoved
    | NotePublished
    | PresenceEntry
    | UserEvent
    | Revoked
    | Kicked
    | HostingBegan
    | BotNoticed
)


class Envelope(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Message with its origin and the time of publishing (Unix milliseconds)."""

    origin: Id
    sent_ms: UnixMs
    message: BusMessage = msgspec.field(name="note")
