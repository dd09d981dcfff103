"""Items of a conversation's timeline: messages, notices, date lines, and the line above unread messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from chatws.protocol.entities import Role

DeliveryState = Literal["queued", "sent", "stored", "read", "failed"]

MARKS: dict[DeliveryState, str] = {"queued": "… ", "sent": "… ", "stored": "✓ ", "read": "✓✓", "failed": "! "}
"""Two columns in front of an own message; they show its state without colour."""

NO_SEQ = 2**60
"""Sequence number of messages that are not stored yet; it sorts them behind every stored message."""


@dataclass(frozen=True, slots=True, eq=False)
class MessageItem:
    """Message of the timeline; ``label`` and ``text`` hold no control characters.

    Compared by identity, so that its layout can be cached.
    """

    seq: int
    label: str
    role: Role
    is_own: bool
    text: str
    moment: datetime | None
    state: DeliveryState | None = None
    """State of an own message that is not stored; the thread derives the state of stored messages."""
    client_message_id: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Sort key among messages and notices."""
        return (self.seq, 0)


@dataclass(frozen=True, slots=True, eq=False)
class NoticeItem:
    """Line about the conversation, shown after the message ``seq``."""

    seq: int
    text: str
    is_problem: bool = False

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: behind its message and behind earlier notices."""
        return (self.seq, 1)


@dataclass(frozen=True, slots=True, eq=False)
class NoteItem:
    """Note of an agent for other agents, shown after the message ``seq``."""

    seq: int
    note_id: str
    label: str
    text: str
    moment: datetime

    @property
    def order(self) -> tuple[int, int]:
        """Sort key: behind its message."""
        return (self.seq, 1)


class DateItem(NamedTuple):
    """Line above the first message of a day."""

    text: str


class UnreadMarker(NamedTuple):
    """Line above the first unread message."""

    text: str = "new"


Item = MessageItem | NoticeItem | NoteItem
Block = MessageItem | NoticeItem | NoteItem | DateItem | UnreadMarker
