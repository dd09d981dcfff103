"""Entities of the protocol: users, conversations, messages, presence, read marks."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chatws.protocol import limits

Role = Literal["admin", "customer", "bot"]
ConversationStatus = Literal["bot", "queued", "assigned", "resolved"]
PresenceStatus = Literal["online", "away", "busy", "offline"]
PresenceChoice = Literal["online", "away", "busy"]

UNCLAIMED: Final = frozenset[ConversationStatus](("bot", "queued"))
"""Statuses in which an agent may claim a conversation."""

Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z", description="1-64 of A-Z a-z 0-9 _ -")]
WITHOUT_NUL: Final = r"\A[^\x00]*\Z"
"""Pattern of text that is stored or searched: PostgreSQL takes no NUL."""

ClientMessageId = Annotated[
    str,
    Meta(min_length=1, max_length=64, pattern=WITHOUT_NUL, description="1-64 characters, no NUL, chosen by the client"),
]
Seq = Annotated[int, Meta(ge=0, le=limits.MAX_SEQ)]
Timestamp = Annotated[str, Meta(description="RFC 3339, UTC, milliseconds")]


BOT_ID: Final = "bot"
"""User id of the bot."""


class Wire(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Base of the wire structs: camelCase field names, unknown fields are ignored."""


class User(Wire, frozen=True, kw_only=True):
    """Sender of messages: agent, customer or bot (guide: MessageData.sender)."""

    user_id: str
    user_name: str
    role: Role


class Message(Wire, frozen=True, kw_only=True):
    """MessageData of the guide with id, sequence number and the client message id."""

    conversation_id: str
    content: str
    sender: User
    timestamp: Timestamp
    message_id: str
    seq: int
    client_message_id: str | UnsetType = UNSET


class Conversation(Wire, frozen=True, kw_only=True):
    """Conversation of a customer as shown to agents; every change of status or assignee increments ``version``.

    ``customerEmail`` is the customer's mail address: signed by the site, or as the customer wrote it, unverified.
    """

    conversation_id: str
    status: ConversationStatus
    version: int
    customer: User
    customer_email: str | UnsetType = UNSET
    assignee: User | None
    created_at: Timestamp
    updated_at: Timestamp
    head_seq: int
    last_message: Message | None

    @property
    def is_unclaimed(self) -> bool:
        """Whether an agent may claim it: it waits in the queue, or the bot replies."""
        return self.status in UNCLAIMED

    @property
    def is_unwritten(self) -> bool:
        """Whether it is unclaimed and has no message yet: the customer has only opened a page or a terminal."""
        return self.head_seq == 0 and self.is_unclaimed


class Note(Wire, frozen=True, kw_only=True):
    """Note of an agent, or of the bot, for agents; customers never receive it. It is no message and has no own ``seq``.

    ``afterSeq`` is the last message of the conversation when the note was written, and decides where it is shown.
    """

    note_id: str
    conversation_id: str
    author: User
    content: str
    timestamp: Timestamp
    after_seq: int


class CannedReply(Wire, frozen=True, kw_only=True):
    """Prepared text for agents; ``{customer}`` stands for the customer's name."""

    name: str
    content: str


class InboxEntry(Wire, frozen=True, kw_only=True):
    """Unread messages of a conversation for one agent, and the time since which its customer waits for a reply.

    ``unread`` counts the messages after the agent's read mark, without the agent's own, among the newest 100.
    ``waitingSince`` is the time of the customer's first message after the last one of an agent or the bot.
    """

    conversation_id: str
    unread: int
    waiting_since: Timestamp | UnsetType = UNSET


class Presence(Wire, frozen=True, kw_only=True):
    """Presence status of a user; ``timestamp`` is the time of the last change."""

    user_id: str
    status: PresenceStatus
    timestamp: Timestamp


class SearchHit(Wire, frozen=True, kw_only=True):
    """Conversation found by a search; ``message`` is its newest message with the text, if any has it."""

    conversation: Conversation
    message: Message | UnsetType = UNSET


class AgentPresence(Wire, frozen=True, kw_only=True):
    """Agent who is not offline."""

    user: User
    status: PresenceStatus


class ReadMark(Wire, frozen=True, kw_only=True):
    """Position up to which (inclusive) a user has read."""

    user_id: str
    seq: int
