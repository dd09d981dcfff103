"""Clocks of simulated servers, which follow the virtual time of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVarTuple

Args = TypeVarTuple("Args")

START_MS: Final = 1_761_643_800_000
"""Unix time at which every simulation starts."""


class VirtualClock:
    """`chatws.server.clock.Clock` of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.monotonic = loop.time

    def now_ms(self) -> int:
        """Unix time, milliseconds."""
        return START_MS + int(self._loop.time() * 1000)

    def call_later(self, delay_s: float, callback: Callable[[*Args], object], *args: *Args) -> asyncio.TimerHandle:
        """Schedule a callback at a virtual time."""
        return self._loop.call_later(delay_s, callback, *args)
