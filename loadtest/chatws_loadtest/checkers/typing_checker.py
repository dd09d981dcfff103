"""Checker of typing in one room: which peer saw each start, and whether it ended."""

from __future__ import annotations

from typing import Final

import msgspec

from chatws_loadtest.deviations import DeviationLog
from chatws_loadtest.indicators import IndicatorCounts

GIVE_UP_S: Final = 2.0
"""Time after which an indicator that a peer has not seen counts as lost, at the end of a run."""

FORGET_S: Final = 10.0
"""Time after which it counts as lost during a run, and after which an indicator has no cause any more."""

BOT_USER_ID: Final = "bot"
"""Bots may reply to the users' messages; the guide names no other user id of a bot."""


class TypingStart(msgspec.Struct):
    """One start of typing; masks are of the peers, by their index in the room."""

    scheduled_s: float
    sent_s: float
    missing: int
    """Peers that have not seen it."""
    shown: int = 0
    """Peers that have seen it, and not its end."""
    end_by_s: float | None = None
    """Time by which peers must see its end; None: the message that follows ends it."""


class TypingChecker:
    """Typing of the members of one room; times are in seconds of one clock.

    During a run, the sequence of events decides, not their delay: a busy generator reads late, but in order.
    """

    __slots__ = ("_log", "_lost", "_senders", "_sent", "_starts", "awaiting_end")

    def __init__(self, log: DeviationLog) -> None:
        self.awaiting_end: set[int] = set()
        """Members whose typing must end without a message."""
        self._log = log
        self._sent = 0
        self._lost = 0
        self._senders: dict[str, int] = {}
        # The latest start of each member, after earlier ones that a peer has not seen.
        self._starts: dict[int, list[TypingStart]] = {}

    def start(self, sender: int, user_id: str, peers: int, scheduled_s: float, now_s: float) -> None:
        """Record that a member started typing, which these peers must see."""
        self._senders[user_id] = sender
        self.awaiting_end.discard(sender)
        unseen = []
        for earlier in self._starts.get(sender, ()):
            if earlier.missing and now_s - earlier.sent_s > FORGET_S:
                self._lost += 1
            elif earlier.missing:
                unseen.append(earlier)
        self._starts[sender] = [*unseen, TypingStart(scheduled_s, now_s, peers)]
        self._sent += bool(peers)

    def expect_end(self, sender: int, within_s: float) -> None:
        """Record that the member's latest typing must end within this time after its start, without a message."""
        starts = self._starts.get(sender)
        if starts:
            starts[-1].end_by_s = starts[-1].sent_s + within_s
            self.awaiting_end.add(sender)

    def saw_start(self, viewer: int, user_id: str, now_s: float) -> float | None:
        """Record an indicator that a member received; return the scheduled time of its first sighting."""
        sender = self._senders.get(user_id)
        starts = None if sender is None else self._starts.get(sender)
        if starts is None:
            if user_id != BOT_USER_ID:
                self._log.add("typing_wrong", "of users that did not type in the room", repr(user_id))
            return None
        if sender == viewer:
            self._log.add("typing_wrong", "shown to the user that types", repr(user_id))
            return None
        bit = 1 << viewer
        starts[-1].shown |= bit
        # The newest first: a delay is shorter than the time between two starts, unless one was lost.
        for start in reversed(starts):
            if start.missing & bit:
                start.missing &= ~bit
                return start.scheduled_s
        if now_s - starts[-1].sent_s > FORGET_S:
            self._log.add("typing_wrong", "of users that no longer typed", repr(user_id))
        return None

    def saw_end(self, viewer: int, user_id: str) -> None:
        """Record the end of an indicator that a member received."""
        sender = self._senders.get(user_id)
        starts = None if sender is None else self._starts.get(sender)
        if starts and sender is not None:
            starts[-1].shown &= ~(1 << viewer)
            if not starts[-1].shown and not starts[-1].missing:
                self.awaiting_end.discard(sender)

    def saw_message(self, viewer: int, sender: int, sent_s: float) -> None:
        """Record a message that a member received: an end due before it was sent must have arrived."""
        if sender in self.awaiting_end:
            start = self._starts[sender][-1]
            if start.end_by_s is not None and sent_s >= start.end_by_s and start.shown >> viewer & 1:
                self._record_stuck(start, 1 << viewer)

    def drop(self, member: int) -> None:
        """Record a disconnect: the member sees nothing, and typing of its own that was not seen is not judged."""
        self._sent -= sum(bool(start.missing) for start in self._starts.pop(member, ()))
        self.awaiting_end.discard(member)
        bit = 1 << member
        for starts in self._starts.values():
            for start in starts:
                # Not judged if the member was the only one that had to see it.
                self._sent -= start.missing == bit and not start.shown
                start.missing &= ~bit
                start.shown &= ~bit

    def is_settled(self, now_s: float) -> bool:
        """Return whether every start was seen or is lost, and every end was seen or is overdue."""
        if any(
            start.missing and now_s < start.sent_s + GIVE_UP_S for starts in self._starts.values() for start in starts
        ):
            return False
        latest = [self._starts[sender][-1] for sender in self.awaiting_end]
        return not any(start.shown and start.end_by_s is not None and now_s < start.end_by_s for start in latest)

    def finish(self, now_s: float) -> IndicatorCounts:
        """Count what no peer saw, and what did not end; call it once, when no more events can arrive."""
        for starts in self._starts.values():
            for start in starts:
                if start.missing and now_s >= start.sent_s + GIVE_UP_S:
                    self._lost += 1
                elif start.missing:
                    self._sent -= 1
        for sender in self.awaiting_end:
            start = self._starts[sender][-1]
            if start.shown and start.end_by_s is not None and now_s >= start.end_by_s:
                self._record_stuck(start, start.shown)
        return IndicatorCounts(sent=self._sent, lost=self._lost)

    def _record_stuck(self, start: TypingStart, viewers: int) -> None:
        self._log.add("typing_stuck", "shown without an end", count=viewers.bit_count())
        start.shown &= ~viewers
