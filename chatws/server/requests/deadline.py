"""Deadline of requests with one timer for all of them.

``asyncio.timeout`` starts and cancels a timer for each request, which took 14 % of the event loop's time under load.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

CHECKS_PER_LIMIT = 20
"""Checks per time limit: a request is cancelled at most a twentieth of the limit late."""


class Deadline:
    """Time limit as a context manager, shared by requests that run in separate tasks; cannot be nested.

    Raises:
        TimeoutError: from the ``with`` block, if it took longer and was cancelled.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._due: dict[asyncio.Task[Any], float] = {}
        """End of each running request in event loop time."""
        self._overdue: set[asyncio.Task[Any]] = set()
        """Cancelled tasks that have not left the ``with`` block yet."""
        self._loop: asyncio.AbstractEventLoop | None = None
        """Event loop, set by the first request."""
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
        """Count the current request's limit from an earlier event loop time.

        Raises:
            TimeoutError: the limit has passed already.
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
        interval_s = self._limit_s / CHECKS_PER_LIMIT
        self._timer = loop.call_later(interval_s, self._check, loop) if self._due else None
