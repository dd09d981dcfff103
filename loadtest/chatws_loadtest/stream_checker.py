"""Checker of one member's live message stream: order, duplicates and gaps."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from chatws_loadtest.timestamps import BACKWARDS_S

MAX_HOLES: Final = 10_000
"""Missing messages that one stream remembers; a seq behind more than these is no gap, but a wrong number."""


class GapReason(Enum):
    """Reason why a member may lack an acked message, other than that the server lost the message."""

    DISCONNECTED = auto()
    """The member was disconnected, and the server has no history to catch up from."""
    STREAM_STALLED = auto()
    """The member reconnected and has received nothing since; it is reported once, not for each message."""


class StreamChecker:
    """One member's live stream; each connection begins a new one.

    The server adds a member to the room before it reads the history for the reply to the join. Live copies of messages
    in that reply are therefore no duplicates: clients discard them. For the same reason, live messages may arrive
    before the reply and be newer than it: the stream continues after them.
    """

    def __init__(self) -> None:
        self.gaps = 0
        self.duplicated = 0
        self.reordered = 0
        self.backdated = 0
        """Messages with an earlier timestamp than the message before."""
        self.misnumbered = 0
        """Messages whose ``seq`` is too far ahead; they have no place in the stream."""
        self._entered_before = False
        self._is_unnumbered = False
        # Set when the member joins again: the time, and the number of live messages since.
        self._rejoined_s: float | None = None
        self._received_since = 0
        # Newest seq of the stream; None until the join is acked. Messages that arrive earlier are kept until then.
        self._head: int | None = None
        self._early: list[tuple[int, bool, float]] = []
        self._entry_head = 0
        self._holes: set[int] = set()
        # Highest number received from each sender, and its timestamp, for servers without seq.
        self._last_numbers: dict[int, int] = {}
        self._last_dates: dict[int, float] = {}
        # Timestamp of the newest message of the stream; 0 if there is none.
        self._last_dated_s = 0.0

    def enter(self, head: int | None, now_s: float) -> None:
        """Begin a stream after ``head``, or continue one; None on a server without ``seq``."""
        self._is_unnumbered = head is None
        if self._entered_before:
            self._rejoined_s, self._received_since = now_s, 0
        self._entered_before = True
        self._entry_head = head or 0
        self._head = max(self._entry_head, self._head or 0)
        self._holes = {seq for seq in self._holes if seq > self._entry_head}
        self._last_numbers.clear()
        self._last_dates.clear()
        self._last_dated_s = 0.0
        early, self._early = self._early, []
        for seq, is_new, dated_s in early:
            self._place(seq, dated_s, is_new=is_new)

    def drop(self) -> None:
        """End the stream after a disconnect."""
        self._head = None
        self._early.clear()
        self._holes.clear()

    def receive(self, seq: int, dated_s: float = 0.0, *, is_new: bool, other_seq: int = 0) -> None:
        """Check a live message by its ``seq`` and timestamp (0: unknown); ``is_new``: it is the first copy.

        ``other_seq`` is the one of the first copy: a message that is stored twice continues the stream.
        """
        self._received_since += 1
        if other_seq and other_seq != seq:
            self.duplicated += 1
            # The copy is counted, but its place in the stream is checked like that of any message.
            is_new = True
        if self._head is not None and seq == self._head + 1:
            self._head = seq
            self._last_dated_s = self._check_date(self._last_dated_s, dated_s)
        elif self._head is None:
            self._early.append((seq, is_new, dated_s))
        else:
            self._place(seq, dated_s, is_new=is_new)

    def _place(self, seq: int, dated_s: float, *, is_new: bool) -> None:
        if self._head is None or seq <= self._entry_head:
            return
        if seq > self._head + MAX_HOLES - len(self._holes):
            self.misnumbered += 1
        elif seq > self._head:
            self._holes.update(range(self._head + 1, seq))
            self._head = seq
            self._last_dated_s = self._check_date(self._last_dated_s, dated_s)
        elif seq in self._holes:
            self._holes.remove(seq)
            self.reordered += 1
        elif not is_new:
            self.duplicated += 1

    def receive_unnumbered(
        self, sender: int, number: int, dated_s: float = 0.0, *, is_new: bool, is_repeat: bool = False
    ) -> None:
        """Check a live message of a server without ``seq``: only the order of one sender's messages is known.

        ``is_repeat``: the sender sent the message at least as often as it arrived.
        """
        self._received_since += 1
        if not is_new:
            self.duplicated += not is_repeat
        elif number < self._last_numbers.get(sender, -1):
            self.reordered += 1
        else:
            self._last_numbers[sender] = number
            self._last_dates[sender] = self._check_date(self._last_dates.get(sender, 0.0), dated_s)

    def _check_date(self, last_s: float, dated_s: float) -> float:
        """Compare a message's timestamp with that of the message before; return the newest known one."""
        self.backdated += 0.0 < dated_s < last_s - BACKWARDS_S
        return dated_s or last_s

    def fetch(self, seq: int) -> None:
        """Record a message that arrived in a reply to a join or a history request."""
        if seq in self._holes:
            self._holes.remove(seq)
            self.gaps += 1

    def explain_missing(self, sent_s: float) -> GapReason | None:
        """Return the reason why this member may lack a message; None if the server lost it."""
        if self._rejoined_s is None:
            return None
        if sent_s < self._rejoined_s:
            return GapReason.DISCONNECTED if self._is_unnumbered else None
        return None if self._received_since else GapReason.STREAM_STALLED
