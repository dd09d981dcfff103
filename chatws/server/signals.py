"""Which signals end a server, and how often one has to ask."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable


def catch_signals(at_once: Callable[[], None] = lambda: None) -> asyncio.Future[int]:
    """Return a future of the exit code: the first signal sets it, the second ends the process, after ``at_once``."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[int] = loop.create_future()

    def caught(number: signal.Signals) -> None:
        if not stop.done():
            stop.set_result(128 + number)
        elif number != signal.SIGHUP:  # a shell that ends passes on to its jobs what they have heard themselves
            at_once()
            sys.stderr.flush()
            os._exit(128 + number)

    # A terminal that is closed ends the server as well as SIGTERM does; under nohup it is not to hear of it.
    hang_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    for number in (signal.SIGTERM, signal.SIGINT, *hang_up):
        loop.add_signal_handler(number, caught, number)
    return stop


def watch_lifeline(descriptor: int, stop: asyncio.Future[int]) -> None:
    """Set the future as SIGTERM does once the other end of a pipe is gone, and with it whoever held it."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        try:
            gone = not os.read(descriptor, 1024)
        except OSError:
            gone = True
        if gone:
            loop.remove_reader(descriptor)
            if not stop.done():
                stop.set_result(128 + signal.SIGTERM)

    loop.add_reader(descriptor, readable)
