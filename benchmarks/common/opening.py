"""Opening of many connections with a limited number of handshakes in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

OPENING_AT_ONCE: Final = 20
"""Handshakes in flight: enough to keep the server busy, and few enough that queueing in it is not measured."""


class LoadFailed(Exception):
    """The load could not be set up; nothing was measured."""


async def open_all(open_one: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """Call ``open_one`` for every item, `OPENING_AT_ONCE` at a time, and return the results in order.

    The first exception cancels the other calls and is raised alone, without an exception group.
    """
    limit = asyncio.Semaphore(OPENING_AT_ONCE)

    async def open_limited(item: T) -> R:
        async with limit:
            return await open_one(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(open_limited(item)) for item in items]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
