"""Timer of one user's outages, from the end of a connection to the last missed message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatws_loadtest.ipc import Outage

if TYPE_CHECKING:
    from collections.abc import Callable


class OutageTimer:
    """Times of the current outage; ``record`` is called with each outage that has ended."""

    def __init__(self, record: Callable[[Outage], None]) -> None:
        self._record = record
        self.is_running = False
        """Whether the connection was lost and not restored; an attribute, because it is read for each message."""
        self._ended_s = 0.0
        self._began_s = 0.0
        self._rejoined_s = 0.0
        # Newest seq at the time of the rejoin: the outage ends when it is received.
        self._missed_until: int | None = None

    def connection_ended(self, ended_s: float) -> None:
        """Begin an outage."""
        self.is_running, self._ended_s = True, ended_s

    def attempt_began(self, began_s: float) -> None:
        """Record the start of a connection attempt that succeeded."""
        self._began_s = began_s

    def rejoined(self, head: int, last_seq: int, now_s: float) -> None:
        """Record the ack of the join; the outage ends if no message was missed."""
        if not self.is_running:
            return
        self._rejoined_s = now_s
        if last_seq >= head:
            self._end(now_s)
        else:
            self._missed_until = head

    def received(self, seq: int, now_s: float) -> None:
        """End the outage if this is the last missed message."""
        if self._missed_until is not None and seq >= self._missed_until:
            self._end(now_s)

    def _end(self, caught_up_s: float) -> None:
        self._record(Outage(self._ended_s, self._began_s, self._rejoined_s, caught_up_s))
        self.is_running, self._missed_until = False, None
