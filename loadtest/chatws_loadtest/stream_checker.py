"""What one member of a conversation has seen: the order of its live messages, and what was left out of them."""

from __future__ import annotations

from enum import Enum, auto


class GapReason(Enum):
    """Why a member may lack a message that was acked."""

    AWAY = auto()
    """It was away, and the server has nothing to catch up from."""
    DEAF = auto()
    """It came back and has heard nothing at all since: that is the fault, not this one message."""


class StreamChecker:
    """One member's live stream; a new connection begins a new one.

    Live copies of messages that the join's answer brought as well are no duplicates: the room is entered before the
    history is read, and clients drop what they have. Live messages may for the same reason arrive before that answer,
    and be newer than it: the stream goes on from them.
    """

    def __init__(self) -> None:
        self.gaps = 0
        self.duplicated = 0
        self.reordered = 0
        self._entered_before = False
        self._is_unnumbered = False
        # Set when the member enters again: since when it is back, and how much it has heard since then.
        self._back_since_s: float | None = None
        self._heard_since = 0
        # None until the server has said where the stream begins: what arrives before that is judged then.
        self._head: int | None = None
        self._early: list[tuple[int, bool]] = []
        self._entry_head = 0
        self._holes: set[int] = set()
        # Highest number heard of each sender, for servers without seq.
        self._last_numbers: dict[int, int] = {}

    def enter(self, head: int | None, now_s: float) -> None:
        """Begin a stream after ``head``, or go on with it; None on a server without ``seq``."""
        self._is_unnumbered = head is None
        if self._entered_before:
            self._back_since_s, self._heard_since = now_s, 0
        self._entered_before = True
        self._entry_head = head or 0
        self._head = max(self._entry_head, self._head or 0)
        self._holes = {seq for seq in self._holes if seq > self._entry_head}
        self._last_numbers.clear()
        early, self._early = self._early, []
        for seq, is_new in early:
            self._place(seq, is_new=is_new)

    def drop(self) -> None:
        """End the stream: the connection is gone."""
        self._head = None
        self._early.clear()
        self._holes.clear()

    def hear(self, seq: int, *, is_new: bool) -> None:
        """Judge a live message by its ``seq``; ``is_new`` says that no copy of it has come before."""
        self._heard_since += 1
        if self._head is not None and seq == self._head + 1:
            self._head = seq
        elif self._head is None:
            self._early.append((seq, is_new))
        else:
            self._place(seq, is_new=is_new)

    def _place(self, seq: int, *, is_new: bool) -> None:
        if self._head is None or seq <= self._entry_head:
            return
        if seq > self._head:
            self._holes.update(range(self._head + 1, seq))
            self._head = seq
        elif seq in self._holes:
            self._holes.remove(seq)
            self.reordered += 1
        elif not is_new:
            self.duplicated += 1

    def hear_unnumbered(self, sender: int, number: int, *, is_new: bool, is_repeat: bool = False) -> None:
        """Judge a live message of a server without ``seq``: a sender's messages keep the order they were sent in.

        ``is_repeat``: it was sent as often as it came.
        """
        self._heard_since += 1
        if not is_new:
            self.duplicated += not is_repeat
        elif number < self._last_numbers.get(sender, -1):
            self.reordered += 1
        else:
            self._last_numbers[sender] = number

    def fetch(self, seq: int) -> None:
        """Note a message that had to be asked for."""
        if seq in self._holes:
            self._holes.remove(seq)
            self.gaps += 1

    def excuse(self, sent_s: float) -> GapReason | None:
        """Say why this member may lack a message; None when it has no excuse."""
        if self._back_since_s is None:
            return None
        if sent_s < self._back_since_s:
            return GapReason.AWAY if self._is_unnumbered else None
        return None if self._heard_since else GapReason.DEAF
