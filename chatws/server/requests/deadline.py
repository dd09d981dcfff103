"""Ends requests that take too long, with one timer for all of them.

``asyncio.timeout`` arms and cancels a timer for every request, which was 14 % of the event loop's time under load.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

CHECKS_PER_LIMIT = 20
"""A request is ended at most a twentieth of the limit late."""


class Deadline:
    """One limit for all requests: ``with`` it around each, which runs in a task of its own; not to be nested.

    Raises:
        TimeoutError: out of the ``with``, when it took longer and was cancelled.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._due: dict[asyncio.Task[Any], float] = {}
        """When each running request has to end, in the event loop's time."""
        self._overdue: set[asyncio.Task[Any]] = set()
        """Tasks that were cancelled here and have not noticed yet."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop of the first request."""
        self._timer: asyncio.TimerHandle | None = None
        """Set while requests run."""

    def __enter__(self) -> None:
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._due[task] = loop.time() + self._limit_s
        if self._timer is None:
            self._timer = loop.call_later(self._limit_s / CHECKS_PER_LIMIT, self._check, loop)

    def count_from(self, began: float) -> None:
        """Let the limit of the request that runs have begun earlier, in the event loop's time.

        Raises:
            TimeoutError: it is over.
        """
        assert self._loop is not None
        task = asyncio.current_task(self._loop)
        assert task is not None
        due = began + self._limit_s
        if due <= self._loop.time():
            raise TimeoutError
        self._due[task] = due

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        del self._due[task]
        if task in self._overdue:
            self._overdue.discard(task)
            if not task.uncancel() and kind is asyncio.CancelledError:
                raise TimeoutError from None

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, due in self._due.items():
            if due <= now and task not in self._overdue:
                self._overdue.add(task)
                task.cancel()
        rest = self._limit_s / CHECKS_PER_LIMIT
        self._timer = loop.call_later(rest, self._check, loop) if self._due else None
