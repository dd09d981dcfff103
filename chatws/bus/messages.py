"""What servers tell each other: one struct for each kind of note, and the envelope that carries it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chatws.protocol.entities import Conversation, Id, Message, PresenceStatus, User
from chatws.protocol.events import BotNotice, MessageRead

MAX_NOTE_BYTES = 256 * 1024
"""Largest note in JSON; a conversation before and after, each with the longest message, has about 70 KiB."""

INBOX = "inbox"
"""The channel of every server where somebody follows the list of conversations."""

EventName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_:.-]{1,64}\Z")]
UnixMs = Annotated[int, Meta(ge=0)]


def conversation_channel(conversation_id: str) -> str:
    """Name the channel of every server that hosts the conversation."""
    return f"conversation:{conversation_id}"


def user_channel(user_id: str) -> str:
    """Name the channel of every server that the user is connected to."""
    return f"user:{user_id}"


class BusMessage(msgspec.Struct, frozen=True, rename="camel", tag_field="kind", kw_only=True):
    """Base of the notes; unknown fields are ignored, so that servers of two releases understand each other."""


class MessageStored(BusMessage, frozen=True, tag="message", kw_only=True):
    """A message was committed."""

    message: Message


class ConversationChanged(BusMessage, frozen=True, tag="conversation", kw_only=True):
    """A conversation's status or assignee changed; ``before`` is missing where it was not known."""

    before: Conversation | None
    after: Conversation


class ConversationTouched(BusMessage, frozen=True, tag="touched", kw_only=True):
    """Something that the list of conversations shows changed; followers read it from the database."""

    conversation_id: Id


class TypingChanged(BusMessage, frozen=True, tag="typing", kw_only=True):
    """Somebody types, still types (the same note again), or stopped, as seen by the note's origin."""

    conversation_id: Id
    user: User
    is_typing: bool


class ReadMoved(BusMessage, frozen=True, tag="read", kw_only=True):
    """A member has read further."""

    read: MessageRead


class PresenceEntry(BusMessage, frozen=True, tag="presence", kw_only=True):
    """What one server contributes to a user's presence.

    ``offline`` says that the user has no connection left there. ``rooms`` are the ids of the conversations that the
    user's connections there have joined. ``is_leaving``: the last connection has gone, and the grace runs.
    """

    user: User
    status: PresenceStatus
    since_ms: UnixMs
    rooms: tuple[str, ...] = ()
    is_leaving: bool = False


class UserEvent(BusMessage, frozen=True, tag="event", kw_only=True):
    """An event for every connection of one user (guide: ``sendToUser``); a payload crosses as it is."""

    user_id: Id
    name: EventName
    payload: msgspec.Raw | UnsetType = UNSET


class Revoked(BusMessage, frozen=True, tag="revoked", kw_only=True):
    """The user's connections are to be closed: logged out, disabled or erased."""

    user_id: Id


class HostingBegan(BusMessage, frozen=True, tag="hosting", kw_only=True):
    """The origin has begun to host a conversation: the others that do tell it who is there, and who types."""

    conversation_id: Id


class BotNoticed(BusMessage, frozen=True, tag="bot", kw_only=True):
    """A notice about a bot for every agent who follows an inbox."""

    notice: BotNotice


Note = (
    MessageStored
    | ConversationChanged
    | ConversationTouched
    | TypingChanged
    | ReadMoved
    | PresenceEntry
    | UserEvent
    | Revoked
    | HostingBegan
    | BotNoticed
)


class Envelope(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A note with the server it comes from and when that server published it (Unix milliseconds)."""

    origin: Id
    sent_ms: UnixMs
    note: Note
