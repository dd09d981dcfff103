"""Spreads what happens to thousands at once over several turns of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque


class LoopLimiter:
    """So many per turn, in order of asking; whoever comes while there is room does not wait at all."""

    def __init__(self, loop: asyncio.AbstractEventLoop, per_turn: int) -> None:
        self._loop = loop
        self._per_turn = per_turn
        self._left = per_turn
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return when it is the caller's turn."""
        if self._left and not self._waiting:
            if self._left == self._per_turn:
                self._loop.call_soon(self._next)
            self._left -= 1
            return
        future = self._loop.create_future()
        self._waiting.append(future)
        await future

    def _next(self) -> None:
        self._left = self._per_turn
        while self._left and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                self._left -= 1
        if self._left < self._per_turn:
            self._loop.call_soon(self._next)
