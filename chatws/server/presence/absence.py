"""Timers of agents who have gone offline."""

from __future__ import annotations

import asyncio

from chatws.protocol.entities import User
from chatws.server.clock import Clock


class AbsenceTimers:
    """Timers by agent; an agent is reported a fixed delay after going offline.

    The queue of reported agents holds at most one entry per timer and needs no other bound.
    """

    def __init__(self, delay_s: float, clock: Clock) -> None:
        self._delay_s = delay_s
        self._clock = clock
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._due: asyncio.Queue[str] = asyncio.Queue()

    def user_offline(self, user: User) -> None:
        """Start the timer of an agent; customers are ignored."""
        if user.role != "admin":
            return
        if (earlier := self._timers.get(user.user_id)) is not None:
            earlier.cancel()  # the agent was online in between: only this absence counts
        self._timers[user.user_id] = self._clock.call_later(self._delay_s, self._expire, user.user_id)

    async def wait_due(self) -> str:
        """Return the user id of the next agent whose timer ends; the agent may be online again."""
        return await self._due.get()

    def close(self) -> None:
        """Cancel the timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _expire(self, user_id: str) -> None:
        del self._timers[user_id]
        self._due.put_nowait(user_id)
