"""Signals that end a terminal program, also while it is blocked because the terminal takes no output."""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from chatws.exit_codes import ExitCode

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from types import FrameType

EXIT_CODES: Final[Mapping[signal.Signals, ExitCode]] = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}

FORCED: Final = frozenset({signal.SIGTERM, signal.SIGHUP})
"""Signals that end the program within `EXIT_TIMEOUT_S` in any case."""

REGULAR_END_S: Final = 0.5
"""Time for a regular end before output that the terminal has not taken is discarded."""

EXIT_TIMEOUT_S: Final = 1.5
POLL_S: Final = 0.1


def handle_exit_signals(loop: asyncio.AbstractEventLoop, end: Callable[[int], object]) -> None:
    """Call ``end`` with the exit code when a signal arrives; SIGTERM and SIGHUP also start a watchdog.

    A write to a terminal that takes nothing blocks the event loop, which then does not run its signal handlers. The
    watchdog's handler runs in that case too. Messages that are not sent yet are in the outbox file already.
    """
    for number, code in EXIT_CODES.items():
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        loop.add_signal_handler(number, end, int(code))
        if number in FORCED:
            # The event loop's handler stays: it is called through the wake-up descriptor.
            signal.signal(number, _start_watchdog)


def restore_exit_signals(loop: asyncio.AbstractEventLoop) -> None:
    """Restore the default effect of the signals."""
    for number in EXIT_CODES:
        loop.remove_signal_handler(number)


def discard_output() -> None:
    """Discard what the terminal has not taken, and resume its output, so that a blocked write returns."""
    for stream in (sys.__stdout__, sys.__stderr__):
        with suppress(OSError, ValueError, termios.error, AttributeError):
            descriptor = stream.fileno()  # type: ignore[union-attr]  # None is one of the suppressed errors
            termios.tcflush(descriptor, termios.TCOFLUSH)
            termios.tcflow(descriptor, termios.TCOON)


def _start_watchdog(number: int, _: FrameType | None) -> None:
    code = EXIT_CODES[signal.Signals(number)]
    threading.Thread(target=_force_end, args=(code,), daemon=True, name="exit-watchdog").start()


def _force_end(code: ExitCode) -> None:
    ends_at = time.monotonic() + EXIT_TIMEOUT_S
    time.sleep(REGULAR_END_S)
    while time.monotonic() < ends_at:
        discard_output()
        time.sleep(POLL_S)
    os._exit(int(code))
