"""Signals that end a full screen, which restores the terminal before the program exits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chatws_loadtest.exit_signals import SIGNAL_CODES, call_on_signals

if TYPE_CHECKING:
    from textual.app import App

    from chatws.exit_codes import ExitCode


def exit_on_signals(screen: App[ExitCode]) -> None:
    """Exit a running screen with the exit code of the first signal.

    A second one ends the process at once: the screen cannot exit while the terminal takes no output.
    """
    loop = asyncio.get_running_loop()

    def end(code: ExitCode) -> None:
        for number in SIGNAL_CODES:
            loop.remove_signal_handler(number)
        screen.exit(code)

    call_on_signals(end)
