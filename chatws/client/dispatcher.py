"""Dispatcher of events to the user's callbacks, one after another and in order."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("chatws.client")

T = TypeVar("T")


class Dispatcher:
    """Event queue with one consumer; a producer bounds it by awaiting `wait_for_room` before it reconnects."""

    def __init__(self, max_backlog: int) -> None:
        self._max_backlog = max_backlog
        self._by_name: dict[str, list[Callable[[object], object]]] = {}
        self._for_all: list[Callable[[str, object], object]] = []
        self._queue: deque[tuple[str, object]] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def is_full(self) -> bool:
        """Whether the queue is longer than ``max_backlog``."""
        return len(self._queue) > self._max_backlog

    def on(self, name: str, callback: Callable[..., object]) -> Callable[[], None]:
        """Add a callback for the payloads of one event name; returns a function that removes it."""
        callbacks = self._by_name.setdefault(name, [])
        callbacks.append(callback)
        return lambda: _discard(callbacks, callback)

    def on_all(self, callback: Callable[[str, object], object]) -> Callable[[], None]:
        """Add a callback for name and payload of every event; returns a function that removes it."""
        self._for_all.append(callback)
        return lambda: _discard(self._for_all, callback)

    def put(self, name: str, payload: object) -> None:
        """Queue an event."""
        self._queue.append((name, payload))
        self._filled.set()

    async def wait_for_room(self) -> None:
        """Wait until the queue is at most half full."""
        while len(self._queue) > self._max_backlog // 2:
            self._emptied.clear()
            await self._emptied.wait()

    def start(self) -> None:
        """Start the consumer."""
        self._stopping = False
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._consume())

    async def stop(self) -> None:
        """Deliver the queued events and stop; returns at once when a callback calls it."""
        self._stopping = True
        self._filled.set()
        if self._task is not None and self._task is not asyncio.current_task():
            await self._task

    async def _consume(self) -> None:
        while self._queue or not self._stopping:
            if not self._queue:
                self._filled.clear()
                await self._filled.wait()
                continue
            name, payload = self._queue.popleft()
            self._emptied.set()
            for callback in list(self._by_name.get(name, ())):
                await _call(name, callback, payload)
            for callback_of_all in list(self._for_all):
                await _call(name, callback_of_all, name, payload)


async def _call(name: str, callback: Callable[..., object], *args: object) -> None:
    try:
        result = callback(*args)
        if inspect.isawaitable(result):
            await result
    except Exception:
        # The user's callback may raise anything; the next event is delivered nevertheless.
        logger.exception("callback_failed", extra={"event": name})


def _discard(items: list[T], item: T) -> None:
    if item in items:
        items.remove(item)
