"""Log of the events that one person received, with the position up to which expectations have used them."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from chatws_loadtest.scenario_file.patterns import EventPattern, Resolve, mismatch

now_s = time.perf_counter


class ReceivedEvent(NamedTuple):
    """Event and the time of its arrival."""

    name: str
    payload: object
    at_s: float


class EventLog:
    """All events in the order of their arrival; nothing is removed, repaired or merged."""

    def __init__(self) -> None:
        self.events: list[ReceivedEvent] = []
        self.mark = 0
        """Index of the first event that ``expect: nothing`` looks at: the first after the person's last step."""
        # Index behind the last event of each name that an expectation used.
        self._used: dict[str, int] = {}
        self._arrived = asyncio.Event()

    def add(self, name: str, payload: object) -> None:
        """Append an event that arrives now."""
        self.events.append(ReceivedEvent(name, payload, now_s()))
        self._arrived.set()

    def set_mark(self) -> None:
        """Let ``expect: nothing`` begin with the next event."""
        self.mark = len(self.events)

    def skip_all(self) -> None:
        """Let every expectation begin with the next event."""
        self.set_mark()
        self._used = dict.fromkeys((event.name for event in self.events), self.mark)

    def find(self, pattern: EventPattern, after: int, resolve: Resolve) -> int | None:
        """Return the index of the first matching event that is unused and has at least the index ``after``."""
        for index in range(max(after, self._used.get(pattern.name, 0)), len(self.events)):
            event = self.events[index]
            if event.name == pattern.name and mismatch(pattern.payload, event.payload, resolve) is None:
                return index
        return None

    def use(self, index: int) -> ReceivedEvent:
        """Let later expectations of this event's name begin behind it."""
        event = self.events[index]
        self._used[event.name] = self.mark = index + 1
        return event

    def unused(self, name: str) -> list[ReceivedEvent]:
        """Return the events of a name that no expectation has passed."""
        return [event for event in self.events[self._used.get(name, 0) :] if event.name == name]

    def used(self, name: str) -> list[ReceivedEvent]:
        """Return the events of a name that an expectation has passed."""
        return [event for event in self.events[: self._used.get(name, 0)] if event.name == name]

    async def wait_for_next(self, until_s: float) -> bool:
        """Wait for an event; return False if none arrives before the time."""
        self._arrived.clear()
        try:
            async with asyncio.timeout(until_s - now_s()):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True
