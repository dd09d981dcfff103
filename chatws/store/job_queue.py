"""Jobs that a database does for coroutines, and handing them from the event loop to threads and back."""

from __future__ import annotations

import time
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from chatws.store.errors import Unavailable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from chatws.store.interface import Draft

J = TypeVar("J", bound="Job")

MAX_WAKES = 2
"""Most threads that a turn's jobs wake: no mailbox has more of them."""


class Job:
    """Something done for a coroutine that waits for ``future``; an outcome that is an exception is raised."""

    __slots__ = ("future", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[object] = loop.create_future()
        self.outcome: object = Unavailable("nobody did it")  # until who does it knows better

    def settle(self) -> None:
        """Tell the coroutine, unless it was cancelled; runs in the event loop."""
        if self.future.done():
            return
        if isinstance(self.outcome, Exception):
            self.future.set_exception(self.outcome)
        else:
            self.future.set_result(self.outcome)


class QueryJob(Job):
    """A query to run in a transaction."""

    __slots__ = ("query",)

    def __init__(self, loop: asyncio.AbstractEventLoop, query: Callable[[Connection], object]) -> None:
        super().__init__(loop)
        self.query = query


class AppendJob(Job):
    """A message to append."""

    __slots__ = ("draft",)

    def __init__(self, loop: asyncio.AbstractEventLoop, draft: Draft) -> None:
        super().__init__(loop)
        self.draft = draft


class JobQueue(Generic[J]):
    """A bounded queue from one event loop to one or more threads. Full means refused, at once.

    What is posted in one turn of the loop wakes a thread once, at the turn's end: waking one costs as much as
    everything else about a job.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_waiting: int) -> None:
        self._loop = loop
        self._max_waiting = max_waiting
        self._jobs: deque[J] = deque()
        self._wakes: SimpleQueue[None] = SimpleQueue()  # one entry for each job or turn's jobs; too many do no harm
        self._posted = 0  # in this turn of the loop
        self._closed = False

    def post(self, job: J) -> None:
        """Queue a job; called in the event loop.

        Raises:
            Unavailable: full or closed.
        """
        if self._closed:
            raise Unavailable("closed")
        if len(self._jobs) >= self._max_waiting:
            raise Unavailable("too many requests are waiting")
        if not self._posted:
            self._loop.call_soon(self._wake)
        self._posted += 1
        self._jobs.append(job)

    def close(self) -> None:
        """Accept nothing more; the threads finish what waits, then see the end."""
        if not self._closed:
            self._closed = True
            self._wakes.put(None)

    def take(self, most: int, gather_s: float = 0.0) -> list[J]:
        """Wait for a job and return it with those right behind it; an empty list is the end.

        A thread that finds jobs waiting when it comes back is busy: it waits ``gather_s`` for more to take at once.
        """
        if self._jobs and gather_s:
            time.sleep(gather_s)
        while not (jobs := self.take_waiting(most)):
            if self._closed:
                self._wakes.put(None)  # for the other threads
                return []
            self._wakes.get()
        return jobs

    def take_waiting(self, most: int | None = None) -> list[J]:
        """Return what waits right now, without waiting."""
        jobs: list[J] = []
        while most is None or len(jobs) < most:
            try:
                jobs.append(self._jobs.popleft())
            except IndexError:
                break
        return jobs

    def _wake(self) -> None:
        posted, self._posted = self._posted, 0
        for _ in range(min(posted, MAX_WAKES)):
            self._wakes.put(None)

    def answer(self, jobs: list[J]) -> None:
        """Settle jobs in the event loop, with one wake-up for all of them; called in a thread."""
        try:
            self._loop.call_soon_threadsafe(_settle, jobs)
        except RuntimeError:
            # The loop was closed without closing the store: nobody waits any more.
            return


def _settle(jobs: Iterable[Job]) -> None:
    for job in jobs:
        job.settle()
