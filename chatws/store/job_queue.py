"""Database jobs of coroutines, and the bounded queues that hand them to worker threads or worker tasks."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from chatws.store.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection

    from chatws.store.interface import Draft

J = TypeVar("J", bound="Job")

MAX_WAKES = 2
"""Maximum number of threads woken by the jobs of one event loop iteration: no queue has more threads."""


class Job:
    """Database work whose outcome a coroutine awaits through ``future``; an exception is raised there."""

    __slots__ = ("future", "outcome")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[object] = loop.create_future()
        self.outcome: object = Unavailable("not executed")  # until the worker sets the real outcome

    def resolve(self) -> None:
        """Resolve the future unless it was cancelled; called in the event loop."""
        if self.future.done():
            return
        if isinstance(self.outcome, Exception):
            self.future.set_exception(self.outcome)
        else:
            self.future.set_result(self.outcome)


class QueryJob(Job):
    """Job that runs a query in a transaction; ``changed_id`` is the conversation whose version it may change."""

    __slots__ = ("changed_id", "query")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, query: Callable[[Connection], object], changed_id: str | None = None
    ) -> None:
        super().__init__(loop)
        self.query = query
        self.changed_id = changed_id


class AppendJob(Job):
    """Job that appends a message."""

    __slots__ = ("draft",)

    def __init__(self, loop: asyncio.AbstractEventLoop, draft: Draft) -> None:
        super().__init__(loop)
        self.draft = draft


class JobQueue(ABC, Generic[J]):
    """Bounded FIFO queue of jobs; a full or closed queue rejects a job at once."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._jobs: deque[J] = deque()
        self._closed = False

    def post(self, job: J) -> None:
        """Queue a job; called in the event loop.

        Raises:
            Unavailable: the queue is full or closed.
        """
        if self._closed:
            raise Unavailable("closed")
        if len(self._jobs) >= self._max_waiting:
            raise Unavailable("too many requests are waiting")
        self._jobs.append(job)
        self._notify_posted()

    def close(self) -> None:
        """Accept no more jobs; the workers finish the waiting ones, then ``take`` returns an empty list."""
        if not self._closed:
            self._closed = True
            self._notify_closed()

    def take_waiting(self, limit: int | None = None) -> list[J]:
        """Return up to ``limit`` waiting jobs (None: all of them) without waiting."""
        jobs: list[J] = []
        while limit is None or len(jobs) < limit:
            try:
                jobs.append(self._jobs.popleft())
            except IndexError:
                break
        return jobs

    @abstractmethod
    def _notify_posted(self) -> None: ...

    @abstractmethod
    def _notify_closed(self) -> None: ...


class ThreadJobQueue(JobQueue[J]):
    """Job queue from one event loop to one or more threads.

    The jobs posted in one event loop iteration wake a thread once, at the end of the iteration: a wake-up costs as
    much as all other work for a job.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_waiting: int) -> None:
        super().__init__(max_waiting)
        self._loop = loop
        self._wakes: SimpleQueue[None] = SimpleQueue()  # a superfluous entry only costs one more look at the queue
        self._posted = 0  # in this event loop iteration

    def take(self, limit: int, gather_s: float = 0.0) -> list[J]:
        """Wait for a job and return it with up to ``limit - 1`` jobs behind it; an empty list means closed.

        A thread that finds jobs waiting is busy: it sleeps ``gather_s`` first, so that its next batch is larger.
        """
        if self._jobs and gather_s:
            time.sleep(gather_s)
        while not (jobs := self.take_waiting(limit)):
            if self._closed:
                self._wakes.put(None)  # for the other threads
                return []
            self._wakes.get()
        return jobs

    def resolve(self, jobs: list[J]) -> None:
        """Resolve jobs in the event loop, with one wake-up for all of them; called in a thread."""
        try:
            self._loop.call_soon_threadsafe(_resolve, jobs)
        except RuntimeError:
            # The loop was closed before the store: no coroutine waits any more.
            return

    def _notify_posted(self) -> None:
        if not self._posted:
            self._loop.call_soon(self._wake)
        self._posted += 1

    def _notify_closed(self) -> None:
        self._wakes.put(None)

    def _wake(self) -> None:
        posted, self._posted = self._posted, 0
        for _ in range(min(posted, MAX_WAKES)):
            self._wakes.put(None)


class TaskJobQueue(JobQueue[J]):
    """Job queue for tasks of the same event loop."""

    def __init__(self, max_waiting: int) -> None:
        super().__init__(max_waiting)
        self._idle: deque[asyncio.Future[None]] = deque()  # one for each task that waits for a job

    async def take(self, limit: int) -> list[J]:
        """Wait for a job and return it with up to ``limit - 1`` jobs behind it; an empty list means closed."""
        while not (jobs := self.take_waiting(limit)):
            if self._closed:
                return []
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(woken)
            await woken
        return jobs

    def _notify_posted(self) -> None:
        while self._idle:
            # The task that ran last: its connection is open, and its PostgreSQL process has the tables in its caches.
            woken = self._idle.pop()
            if not woken.done():  # cancelled with its task
                woken.set_result(None)
                break

    def _notify_closed(self) -> None:
        while self._idle:
            woken = self._idle.popleft()
            if not woken.done():
                woken.set_result(None)


def _resolve(jobs: Iterable[Job]) -> None:
    for job in jobs:
        job.resolve()
