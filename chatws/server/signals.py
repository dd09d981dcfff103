"""Signals that end a server; separate from `runner`, so that the parent of several servers need not import aiohttp."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable


def catch_signals(on_second: Callable[[], None] = lambda: None) -> asyncio.Future[int]:
    """Return a future of the exit code: the first signal sets it, the second calls ``on_second`` and exits."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[int] = loop.create_future()

    def caught(number: signal.Signals) -> None:
        if not stop.done():
            stop.set_result(128 + number)
        elif number != signal.SIGHUP:  # an ending shell forwards SIGHUP to jobs that received it already
            on_second()
            sys.stderr.flush()
            os._exit(128 + number)

    # A closed terminal ends the server like SIGTERM; under nohup SIGHUP stays ignored.
    hang_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    for number in (signal.SIGTERM, signal.SIGINT, *hang_up):
        loop.add_signal_handler(number, caught, number)
    return stop


def watch_lifeline(descriptor: int, stop: asyncio.Future[int]) -> None:
    """Set the future as SIGTERM does when the other end of a pipe is closed, because the parent process has ended."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        try:
            is_closed = not os.read(descriptor, 1024)
        except OSError:
            is_closed = True
        if is_closed:
            loop.remove_reader(descriptor)
            if not stop.done():
                stop.set_result(128 + signal.SIGTERM)

    loop.add_reader(descriptor, readable)
