"""Scheduler of all users' actions on one timer; a sleeping greenlet per user costs more CPU."""

from __future__ import annotations

import heapq
import time
from itertools import count
from typing import TYPE_CHECKING, Final

import gevent.event
from gevent import get_hub

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PER_ITERATION: Final = 50
"""Actions per event-loop iteration; a late process must still read from its sockets in between."""

now_s = time.perf_counter


class ScheduledTask:
    """Actions of one user, as an iterator that yields the time of its next action and performs it when resumed."""

    __slots__ = ("ended", "steps")

    def __init__(self, steps: Iterator[float]) -> None:
        self.steps: Iterator[float] | None = steps
        """None once the task has ended."""
        self.ended = gevent.event.Event()

    def stop(self) -> None:
        """End the task before its next action."""
        self.steps = None
        self.ended.set()


class Schedule:
    """Resumes each task at the times that it yields, never earlier; late tasks resume in the order of their times."""

    def __init__(self) -> None:
        self._loop = get_hub().loop
        self._timer = self._loop.timer(0)
        # Time at which the timer fires; None while it is stopped.
        self._due_s: float | None = None
        self._waiting: list[tuple[float, int, ScheduledTask]] = []
        # Ties of equal times are broken by number: tasks cannot be compared.
        self._numbers = count()

    def begin(self, steps: Iterator[float]) -> ScheduledTask:
        """Start a task: run it up to the first time that it yields."""
        task = ScheduledTask(steps)
        self._resume(task)
        self._set_timer()
        return task

    def _resume(self, task: ScheduledTask) -> None:
        if task.steps is None:
            return
        at_s = next(task.steps, None)
        if at_s is None:
            task.stop()
        else:
            heapq.heappush(self._waiting, (at_s, next(self._numbers), task))

    def _on_timer(self) -> None:
        self._due_s = None
        current_s = now_s()
        for _ in range(MAX_PER_ITERATION):
            if not self._waiting or self._waiting[0][0] > current_s:
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
