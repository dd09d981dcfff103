"""Cursor of one joined conversation: position, messages held back, and pending requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.protocol.commands import History, JoinConversation
from chatws.protocol.limits import HISTORY_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatws.protocol.entities import Message
    from chatws.protocol.responses import HistoryAck, JoinAck

MAX_HELD = 1_000
"""Limit of messages held back behind a gap; further ones are dropped and fetched later."""

POSITION_GRACE_S = 1.0
"""Delay before a head announced by ``positions`` counts: its broadcast may still arrive."""

MAX_STALLS = 2
"""History requests without progress before the conversation is reloaded."""


class ConversationCursor:
    """Delivery of one conversation in order of ``seq``.

    `release` returns every ``seq`` after the position exactly once and in order, in whatever order messages arrive, as
    long as the position is valid; otherwise `is_reloading` is set, and the next history page replaces the position.
    """

    def __init__(self, conversation_id: str, after_seq: int | None, epoch: str | None) -> None:
        self.conversation_id = conversation_id
        self.last = after_seq
        """Last seq released; None until the first join without a position."""
        self.epoch = epoch
        self.head = after_seq or 0
        """Highest seq known to exist."""
        self.joined = False
        self.is_requesting = False
        """Whether a join or history request is in flight."""
        self.is_reloading = False
        self.was_joined_before = False
        self.not_before = 0.0
        self.attempts = 0
        self.waiters: list[int] = []
        """Requests of the user that the next join resolves."""
        self.duplicates = 0
        self.head_at_join = 0
        """Head at the last join: messages up to it were missed before."""
        self._announced: tuple[int, float] | None = None
        self._held: dict[int, Message] = {}
        self._stalls = 0

    @property
    def is_up_to_date(self) -> bool:
        """Whether no request is due, now or later, which is nearly always the case."""
        return self.joined and self._announced is None and self.head == self.last and not self.is_reloading

    @property
    def is_behind(self) -> bool:
        """Whether history has to be requested."""
        return self.joined and (self.is_reloading or self.head > (self.last or 0))

    def advance(self, message: Message) -> bool:
        """Advance by the next message if no message is missing or held back; return False for any other message."""
        last = self.last
        if last is None or message.seq != last + 1 or self.head != last or not self.joined or self.is_reloading:
            return False
        self.last = self.head = message.seq
        return True

    def take(self, messages: Iterable[Message], *, bound: int | None = None) -> None:
        """Accept messages in any order; beyond ``bound`` held ones they are left to a later history page."""
        for message in messages:
            if message.seq <= (self.last or 0) or message.seq in self._held:
                self.duplicates += 1
                continue
            self.head = max(self.head, message.seq)
            if bound is None or len(self._held) < bound or message.seq == (self.last or 0) + 1:
                self._held[message.seq] = message

    def announce_head(self, head: int, now: float) -> None:
        """Record an announced head; it takes effect only if its broadcast does not arrive in time."""
        if head > max(self.last or 0, self.head) and self._announced is None:
            self._announced = (head, now + POSITION_GRACE_S)

    def apply_announced_head(self, now: float) -> None:
        """Apply an announced head after its delay."""
        if self._announced is not None and self._announced[1] <= now:
            self.head = max(self.head, self._announced[0])
            self._announced = None

    def deadlines(self) -> Iterator[float]:
        """Yield the times at which the cursor has to be checked without further input."""
        yield self.not_before
        if self._announced is not None:
            yield self._announced[1]

    def release(self) -> list[Message]:
        """Return the messages that are next in order, and advance the position."""
        due: list[Message] = []
        if not self.joined or self.is_reloading or self.last is None:
            return due
        while (message := self._held.pop(self.last + 1, None)) is not None:
            self.last = message.seq
            due.append(message)
        return due

    def disconnect(self) -> None:
        """Reset everything but the position after a disconnect."""
        self.joined = self.is_requesting = self.is_reloading = False
        self.not_before = 0.0
        self._held.clear()
        self._announced = None
        self.head = self.last or 0

    def join_payload(self) -> JoinConversation | str:
        """Return the guide's plain string without a position, or the contract's object with one."""
        if self.last is None:
            return self.conversation_id
        return JoinConversation(
            conversation_id=self.conversation_id,
            after_seq=self.last,
            epoch=UNSET if self.epoch is None else self.epoch,
        )

    def history_payload(self) -> History:
        """Return the request for the page after the position, or for the newest page in a reload."""
        if self.is_reloading:
            return History(conversation_id=self.conversation_id)
        return History(conversation_id=self.conversation_id, after_seq=self.last or 0, limit=HISTORY_LIMIT)

    def apply_join(self, ack: JoinAck) -> None:
        """Apply the ack of a join (contract: Catching up, client rule)."""
        had_position = self.last is not None
        self.joined, self.is_requesting, self.attempts, self._stalls = True, False, 0, 0
        self.epoch = ack.epoch
        self.head_at_join = ack.conversation.head_seq
        if had_position and ack.recovered:
            self.is_reloading = False
            self.take(ack.messages)
            if ack.has_more:
                self.head = max(self.head, ack.conversation.head_seq)
            return
        self.is_reloading = had_position
        self._restart_at(ack.conversation.head_seq)

    def apply_history(self, ack: HistoryAck) -> tuple[Message, ...] | None:
        """Apply a page; returns its messages if they are a reload, which replaces all delivered messages."""
        self.is_requesting, self.attempts = False, 0
        if self.is_reloading:
            self.is_reloading = False
            self._restart_at(ack.messages[-1].seq if ack.messages else ack.head_seq)
            return tuple(ack.messages)
        self.take(ack.messages)
        if (self.last or 0) + 1 in self._held:
            self._stalls = 0
            return None
        if not self._held:
            self.head = max(self.last or 0, ack.head_seq)
        self._stalls = self._stalls + 1 if self.is_behind else 0
        self.is_reloading = self._stalls >= MAX_STALLS
        return None

    def _restart_at(self, seq: int) -> None:
        self.last = seq
        self._stalls = 0
        self._held = {held: message for held, message in self._held.items() if held > seq}
        self.head = max([seq, *self._held])
