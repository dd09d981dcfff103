"""Notices clients that left while their poll waited: aiohttp does not tell, and nothing is written that could fail."""

from __future__ import annotations

import asyncio
from typing import Protocol

_TICK_S = 1.0


class PendingPoll(Protocol):
    """A poll that waits."""

    def is_cancelled(self) -> bool:
        """True once its connection is gone."""

    def cancelled(self) -> None:
        """Its connection is gone."""


class DisconnectMonitor:
    """Looks once a second while polls wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._polls: set[PendingPoll] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, poll: PendingPoll) -> None:
        """Watch a poll."""
        self._polls.add(poll)
        if self._timer is None:
            self._timer = self._loop.call_later(_TICK_S, self._tick)

    def discard(self, poll: PendingPoll) -> None:
        """Watch it no more."""
        self._polls.discard(poll)

    def stop(self) -> None:
        """Watch nothing."""
        self._polls.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        # Before anything a connection does can fail: the watch goes on.
        self._timer = self._loop.call_later(_TICK_S, self._tick) if self._polls else None
        for poll in [poll for poll in self._polls if poll.is_cancelled()]:
            self._polls.discard(poll)
            poll.cancelled()
