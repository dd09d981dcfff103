"""Monitors that detect dead and stalled clients: heartbeat, write timeout, disconnect during a poll."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Protocol

_GRACE_S = 1.0
"""Lateness of a heartbeat that indicates a blocked event loop, and the extra time then allowed for reading a PONG."""
_JITTER_S = 0.05
"""Lateness of a PING up to which its timeout counts from the scheduled time."""
_MAX_CHECK_INTERVAL_S = 1.0
_CHECKS_PER_TIMEOUT = 10
_MAX_COUNTED_INTERVALS = 2
"""A check later than this many intervals after the one before means that the event loop was blocked."""
_NO_PROGRESS_YET = -sys.maxsize
"""Less than any count of bytes taken, which the overhead of encryption can make negative."""
_POLL_CHECK_INTERVAL_S = 1.0


class HeartbeatListener(Protocol):
    """Callbacks of a heartbeat."""

    @property
    def is_busy(self) -> bool:
        """True while a handler runs, so that a PONG may have arrived without being read."""

    def send_ping(self) -> None:
        """Send PING on the current transport."""

    def ping_timed_out(self) -> None:
        """Close the session: no PONG arrived in time."""


class Timer(Protocol):
    """Scheduled call of an event loop."""

    def cancel(self) -> None:
        """Cancel the call."""


class Scheduler(Protocol):
    """Part of an event loop that a heartbeat uses."""

    def time(self) -> float:
        """Return monotonic time in seconds."""

    def call_at(self, when: float, callback: Callable[[], None], /) -> Timer:
        """Schedule a call at a time."""


class Heartbeat:
    """Engine.IO heartbeat: sends PING ``interval_s`` after the last PONG and waits ``timeout_s`` for the next.

    A PONG only stores the time, and the timer compares when it fires: no timer is cancelled and created per PONG.
    """

    __slots__ = ("_due_at", "_interval_s", "_is_waiting", "_listener", "_loop", "_next_at", "_timeout_s", "_timer")

    def __init__(self, listener: HeartbeatListener, loop: Scheduler, interval_s: float, timeout_s: float) -> None:
        self._listener = listener
        self._loop = loop
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        # True between a PING and its PONG.
        self._is_waiting = False
        # Time of the next PING; while waiting, the time at which the PONG is overdue.
        self._next_at = loop.time() + interval_s
        # Time at which the timer fires; uvloop's handle no longer has it by then.
        self._due_at = self._next_at
        self._timer = loop.call_at(self._due_at, self._fire)

    def pong(self) -> None:
        """Record a PONG."""
        self._is_waiting = False
        self._next_at = self._loop.time() + self._interval_s

    def stop(self) -> None:
        """Cancel the timer."""
        self._timer.cancel()

    def _fire(self) -> None:
        now = self._loop.time()
        fires_late = now - self._due_at > min(_GRACE_S, self._timeout_s / 2)
        if now < self._next_at:
            self._schedule(self._next_at)
        elif not self._is_waiting:
            self._is_waiting = True
            # The client measures the interval too, so the timer's jitter must not accumulate.
            is_punctual = now - self._next_at < _JITTER_S
            self._next_at = (self._next_at if is_punctual else now) + self._timeout_s
            self._listener.send_ping()
            self._schedule(min(self._next_at, now + self._interval_s))
        elif fires_late or self._listener.is_busy:
            # The event loop was blocked or a handler delays reading: the PONG may have arrived unread.
            self._schedule(now + _GRACE_S)
        else:
            self._listener.ping_timed_out()

    def _schedule(self, when: float) -> None:
        self._due_at = when
        self._timer = self._loop.call_at(when, self._fire)


class StoppedHeartbeat:
    """Heartbeat of a session that is not open."""

    __slots__ = ()

    def pong(self) -> None:
        """Ignore a PONG."""

    def stop(self) -> None:
        """Do nothing."""


class MonitoredWriter(Protocol):
    """Connection watched by a ``WriteTimeoutMonitor``."""

    is_monitored: bool
    """Set and cleared by the monitor."""

    written_bytes: int
    """Total of the bytes handed to the asyncio transport."""

    def buffered_bytes(self) -> int:
        """Return the bytes that the kernel has not taken yet."""

    def abort_slow_client(self) -> None:
        """Abort the connection: no byte was taken within the timeout."""


class WriteTimeoutMonitor:
    """Monitor that aborts a connection if none of its waiting bytes is taken for ``timeout_s``, even if it sends.

    While bytes wait, it checks ten times per timeout, and at least once a second. A ``timeout_s`` of 0 disables the
    abort.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float) -> None:
        self._loop = loop
        self._timeout_s = timeout_s
        self._interval_s = min(_MAX_CHECK_INTERVAL_S, timeout_s / _CHECKS_PER_TIMEOUT) or _MAX_CHECK_INTERVAL_S
        self._timer: asyncio.TimerHandle | None = None
        # Loop time of the latest check.
        self._checked_at = 0.0
        # Time the loop ran while monitoring: a blocked loop writes nothing to the kernel, so that time does not count.
        self._ran_s = 0.0
        # By connection: the most bytes taken so far, and the value of ``_ran_s`` at that time.
        self._progress: dict[MonitoredWriter, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._progress)

    def add(self, writer: MonitoredWriter) -> None:
        """Monitor a connection until its buffer is empty."""
        writer.is_monitored = True
        self._progress[writer] = (_NO_PROGRESS_YET, self._ran_s)
        if self._timer is None:
            self._checked_at = self._loop.time()
            self._timer = self._loop.call_later(self._interval_s, self._check)

    def stop(self) -> None:
        """Stop monitoring all connections."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._progress.clear()

    def _check(self) -> None:
        # Scheduled first: an exception of one connection must not end the monitoring.
        self._timer = self._loop.call_later(self._interval_s, self._check) if self._progress else None
        now = self._loop.time()
        self._ran_s += min(now - self._checked_at, _MAX_COUNTED_INTERVALS * self._interval_s)
        self._checked_at = now
        for writer, (best, since) in list(self._progress.items()):
            buffered = writer.buffered_bytes()
            taken = writer.written_bytes - buffered
            if buffered == 0:
                self._remove(writer)
            elif taken > best:
                self._progress[writer] = (taken, self._ran_s)
            elif self._timeout_s and self._ran_s - since >= self._timeout_s:
                self._remove(writer)
                writer.abort_slow_client()

    def _remove(self, writer: MonitoredWriter) -> None:
        writer.is_monitored = False
        del self._progress[writer]


class PendingPoll(Protocol):
    """GET request of long-polling that waits for packets."""

    def is_disconnected(self) -> bool:
        """Return True if the connection of the request is closed."""

    def disconnected(self) -> None:
        """Handle the loss of the connection."""


class DisconnectMonitor:
    """Monitor of disconnects during a pending poll: aiohttp does not report them, and no write would fail."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._polls: set[PendingPoll] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, poll: PendingPoll) -> None:
        """Check a poll once a second."""
        self._polls.add(poll)
        if self._timer is None:
            self._timer = self._loop.call_later(_POLL_CHECK_INTERVAL_S, self._check)

    def discard(self, poll: PendingPoll) -> None:
        """Stop checking a poll."""
        self._polls.discard(poll)

    def stop(self) -> None:
        """Stop checking all polls."""
        self._polls.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        # Scheduled first: an exception of one poll must not end the monitoring.
        self._timer = self._loop.call_later(_POLL_CHECK_INTERVAL_S, self._check) if self._polls else None
        for poll in [poll for poll in self._polls if poll.is_disconnected()]:
            self._polls.discard(poll)
            poll.disconnected()
