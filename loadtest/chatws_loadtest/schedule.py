"""Lets many users speak at their times: one timer for all of them, where a greenlet that sleeps for each costs more."""

from __future__ import annotations

import heapq
import time
from itertools import count
from typing import TYPE_CHECKING, Final

import gevent.event
from gevent import get_hub

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PER_TURN: Final = 50
"""A process that is behind still reads what arrives between this many."""

now_s = time.perf_counter


class Part:
    """What one user does: an iterator that says when it wants to go on, and does the next thing when it is resumed."""

    __slots__ = ("ended", "steps")

    def __init__(self, steps: Iterator[float]) -> None:
        self.steps: Iterator[float] | None = steps
        """None once it is over."""
        self.ended = gevent.event.Event()

    def stop(self) -> None:
        """End it, whatever it waits for."""
        self.steps = None
        self.ended.set()


class Schedule:
    """Resumes each part at the times it asks for, never before; those that are late, in the order of their times."""

    def __init__(self) -> None:
        self._loop = get_hub().loop
        self._timer = self._loop.timer(0)
        # When the timer runs out; None while it does not run.
        self._due_s: float | None = None
        self._waiting: list[tuple[float, int, Part]] = []
        self._tickets = count()

    def begin(self, steps: Iterator[float]) -> Part:
        """Begin a part at once, up to the first time it asks for."""
        part = Part(steps)
        self._resume(part)
        self._set_timer()
        return part

    def _resume(self, part: Part) -> None:
        if part.steps is None:
            return
        at_s = next(part.steps, None)
        if at_s is None:
            part.stop()
        else:
            heapq.heappush(self._waiting, (at_s, next(self._tickets), part))

    def _on_timer(self) -> None:
        self._due_s = None
        present_s = now_s()
        for _ in range(MOST_PER_TURN):
            if not self._waiting or self._waiting[0][0] > present_s:
                break
            self._resume(heapq.heappop(self._waiting)[2])
        self._set_timer()

    def _set_timer(self) -> None:
        if not self._waiting:
            return
        due_s = self._waiting[0][0]
        if self._due_s is not None and self._due_s <= due_s:
            return
        self._timer.stop()
        self._timer.close()
        self._timer = self._loop.timer(max(0.0, due_s - now_s()))
        self._timer.start(self._on_timer)
        self._due_s = due_s
