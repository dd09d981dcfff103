"""One thing in a conversation's pane: a message, a notice, a day, or the line above what is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from chatws_cli.presentation.sanitize import clean

if TYPE_CHECKING:
    from datetime import datetime

    from chatws.protocol.entities import Role

EntryState = Literal["queued", "sent", "stored", "read", "failed"]

MARKS: dict[EntryState, str] = {"queued": "… ", "sent": "… ", "stored": "✓ ", "read": "✓✓", "failed": "! "}
"""What stands before an own message; its state in two columns, without colour."""

NO_SEQ = 2**60
"""Behind every stored message: where those without a number stand."""


@dataclass(frozen=True, slots=True, eq=False)
class MessageItem:
    """A message as its reader sees it; ``label`` and ``text`` hold nothing that a terminal obeys.

    Compared by identity, so that what was laid out for it can be kept.
    """

    seq: int
    label: str
    role: Role
    is_own: bool
    text: str
    moment: datetime | None
    state: EntryState | None = None
    """Of an own message that is not stored; otherwise the thread knows."""
    client_message_id: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Its place among messages and notices."""
        return (self.seq, 0)


@dataclass(frozen=True, slots=True, eq=False)
class NoticeItem:
    """A line about the conversation, after the message ``seq``."""

    seq: int
    text: str
    is_problem: bool = False

    @property
    def order(self) -> tuple[int, int]:
        """Behind its message, and behind earlier notices."""
        return (self.seq, 1)


class DateItem(NamedTuple):
    """A new day begins."""

    text: str


class UnreadMarker(NamedTuple):
    """What follows has not been read yet."""

    text: str = "new"


Item = MessageItem | NoticeItem
Block = MessageItem | NoticeItem | DateItem | UnreadMarker


def shown(content: str) -> str:
    """Return a message's text as it may stand on a screen."""
    return clean(content).expandtabs(4)
