"""Clocks of the server, replaceable in tests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, TypeVarTuple

Args = TypeVarTuple("Args")


class Clock(Protocol):
    """Wall clock for stored and displayed times, monotonic clock for measurements, and timers."""

    def now_ms(self) -> int:
        """Unix time, milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[*Args], object], *args: *Args) -> asyncio.TimerHandle:
        """Schedule a callback in the running event loop; call ``cancel`` of the result to cancel it."""
        ...


class SystemClock:
    """Clocks of the operating system and timers of the event loop."""

    def now_ms(self) -> int:
        """Unix time, milliseconds."""
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)  # a method would be called several times for each message

    def call_later(self, delay_s: float, callback: Callable[[*Args], object], *args: *Args) -> asyncio.TimerHandle:
        """Schedule a callback with the event loop's own clock."""
        return asyncio.get_running_loop().call_later(delay_s, callback, *args)
