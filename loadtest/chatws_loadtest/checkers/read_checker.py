"""Checker of read marks in one room: which peer saw each mark."""

from __future__ import annotations

import msgspec

from chatws_loadtest.checkers.typing_checker import FORGET_S, GIVE_UP_S
from chatws_loadtest.deviations import DeviationLog
from chatws_loadtest.indicators import IndicatorCounts


class SentMark(msgspec.Struct):
    """Read mark that a member has set, and the bit mask of the peers that have not seen it."""

    sent_s: float
    missing: int


class ReadChecker:
    """Read marks of the members of one room, on a server with the additions to the guide."""

    __slots__ = ("_log", "_lost", "_marks", "_seen", "_sent")

    def __init__(self, log: DeviationLog) -> None:
        self._log = log
        self._sent = 0
        self._lost = 0
        # Marks of each user by seq, in the order in which they were set; the newest one is kept.
        self._marks: dict[str, dict[int, SentMark]] = {}
        # Newest mark of a user that a member has seen.
        self._seen: dict[tuple[int, str], int] = {}

    def mark(self, user_id: str, seq: int, peers: int, now_s: float) -> None:
        """Record a mark, which these peers must see."""
        kept = {}
        for earlier_seq, earlier in self._marks.get(user_id, {}).items():
            if earlier.missing and now_s - earlier.sent_s > FORGET_S:
                self._lost += 1
            elif earlier.missing:
                kept[earlier_seq] = earlier
        self._marks[user_id] = {**kept, seq: SentMark(now_s, peers)}
        self._sent += bool(peers)

    def cancel(self, user_id: str, seq: int) -> None:
        """Record that a mark was refused, or that its outcome is unknown: it is not judged."""
        mark = self._marks.get(user_id, {}).get(seq)
        if mark is not None and mark.missing:
            mark.missing = 0
            self._sent -= 1

    def saw(self, viewer: int, user_id: str, seq: int) -> float | None:
        """Record a mark that a member received; return the time of sending at its first sighting."""
        marks = self._marks.get(user_id)
        if not marks or seq > max(marks):
            self._log.add("read_wrong", "never set", f"{user_id!r} at {seq}")
            return None
        if seq < self._seen.get((viewer, user_id), 0):
            self._log.add("read_wrong", "behind an earlier one", f"{user_id!r} at {seq}")
        self._seen[viewer, user_id] = seq
        mark = marks.get(seq)
        if mark is None or not mark.missing >> viewer & 1:
            return None
        mark.missing &= ~(1 << viewer)
        return mark.sent_s

    def drop(self, member: int, user_id: str) -> None:
        """Record a disconnect: the member sees nothing, and marks of its own that were not seen are not judged."""
        own = self._marks.pop(user_id, {})
        self._sent -= sum(bool(mark.missing) for mark in own.values())
        if own:
            # A mark may be sent again on the next connection.
            self._marks[user_id] = {max(own): SentMark(0.0, 0)}
        bit = 1 << member
        for marks in self._marks.values():
            # Not judged if the member was the last one that had to see it.
            self._sent -= sum(mark.missing == bit for mark in marks.values())
            for mark in marks.values():
                mark.missing &= ~bit

    def is_settled(self, now_s: float) -> bool:
        """Return whether every mark was seen or is lost."""
        marks = [mark for marks in self._marks.values() for mark in marks.values()]
        return not any(mark.missing and now_s < mark.sent_s + GIVE_UP_S for mark in marks)

    def finish(self, now_s: float) -> IndicatorCounts:
        """Count the marks that a peer never saw; call it once, when no more events can arrive."""
        for user_id, marks in self._marks.items():
            for seq, mark in marks.items():
                if mark.missing and now_s >= mark.sent_s + GIVE_UP_S:
                    self._lost += 1
                    if seq == max(marks):
                        stuck = mark.missing.bit_count()
                        self._log.add("read_stuck", "behind until the end", f"{user_id!r} at {seq}", count=stuck)
                elif mark.missing:
                    self._sent -= 1
        return IndicatorCounts(sent=self._sent, lost=self._lost)
