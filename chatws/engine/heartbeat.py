"""Engine.IO's heartbeat: one timer per session sends PING and notices a missing PONG."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

_GRACE_S = 1.0
_JITTER_S = 0.05


class HeartbeatListener(Protocol):
    """Whose heart beats."""

    @property
    def is_busy(self) -> bool:
        """True while a handler runs, so that a PONG may have arrived and not been read."""

    def send_ping(self) -> None:
        """Send PING on the current transport."""

    def pong_missing(self) -> None:
        """The peer is gone."""


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Forget it."""


class Scheduler(Protocol):
    """The part of an event loop that a heartbeat uses."""

    def time(self) -> float:
        """Monotonic time in seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Call back at a time."""


class Heartbeat:
    """Sends PING ``interval_s`` after the last PONG and waits ``timeout_s`` for the answer.

    A PONG only notes the time: the timer looks when it fires, so no timer is cancelled and made per PONG.
    """

    __slots__ = ("_due_at", "_interval_s", "_is_waiting", "_loop", "_next_at", "_patient", "_timeout_s", "_timer")

    def __init__(self, patient: HeartbeatListener, loop: Scheduler, interval_s: float, timeout_s: float) -> None:
        self._patient = patient
        self._loop = loop
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._is_waiting = False
        # When the next PING is due, or while waiting, when the PONG is overdue.
        self._next_at = loop.time() + interval_s
        # When the timer fires; uvloop's own handle has forgotten it by then.
        self._due_at = self._next_at
        self._timer = loop.call_at(self._due_at, self._fire)

    def pong(self) -> None:
        """Note that the peer answered."""
        self._is_waiting = False
        self._next_at = self._loop.time() + self._interval_s

    def stop(self) -> None:
        """Beat no more."""
        self._timer.cancel()

    def _fire(self) -> None:
        now = self._loop.time()
        fires_late = now - self._due_at > min(_GRACE_S, self._timeout_s / 2)
        if now < self._next_at:
            self._schedule(self._next_at)
        elif not self._is_waiting:
            self._is_waiting = True
            # A client counts from its side, so the timer's own jitter is not added up.
            is_punctual = now - self._next_at < _JITTER_S
            self._next_at = (self._next_at if is_punctual else now) + self._timeout_s
            self._patient.send_ping()
            self._schedule(min(self._next_at, now + self._interval_s))
        elif fires_late or self._patient.is_busy:
            # The loop stood still or a handler holds up the reader: the PONG may be there unread.
            self._schedule(now + _GRACE_S)
        else:
            self._patient.pong_missing()

    def _schedule(self, when: float) -> None:
        self._due_at = when
        self._timer = self._loop.call_at(when, self._fire)
