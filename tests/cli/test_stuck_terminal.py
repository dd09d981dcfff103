"""Terminals that take no output, or that are closed: the program ends all the same."""

from __future__ import annotations

import os
import pty
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from chatws.exit_codes import ExitCode
from tests.support.preloaded import PreloadedProcess
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import ServerProcess

READY_S = 30.0
END_S = 60.0
"""Far above the 2 s that an idle machine needs."""


class StuckTerminal:
    """``chatws`` in a pseudo-terminal whose output is not read after the start."""

    def __init__(self, *arguments: str) -> None:
        self._keyboard, screen = pty.openpty()
        self._name = os.ttyname(screen)
        variables = {**environment_of_children(), "TERM": "xterm"}
        self.child = PreloadedProcess(arguments, [screen] * 3, variables, session="own")
        os.close(screen)

    def read_until(self, text: bytes) -> None:
        """Read the output until it contains a text, then read nothing any more."""
        received, ends_at = b"", time.monotonic() + READY_S
        while text not in received:
            assert time.monotonic() < ends_at, received
            received += os.read(self._keyboard, 65_536)

    def fill(self) -> None:
        """Fill the buffer of the terminal, and type keys whose output then blocks the program's writes."""
        buffer = os.open(self._name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            with suppress(BlockingIOError):
                while True:
                    os.write(buffer, b" " * 1024)
        finally:
            os.close(buffer)
        for _ in range(3):
            os.write(self._keyboard, b"\x1bOPx\x1b")  # F1 shows the help, Escape hides it

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self._keyboard)
        self._keyboard = -1

    def close(self) -> None:
        """Kill the program if it runs."""
        self.child.kill()
        self.child.wait()
        if self._keyboard >= 0:
            os.close(self._keyboard)


@pytest.fixture
def terminal(shared_server: ServerProcess) -> Iterator[StuckTerminal]:
    """Full screen of a customer, whose terminal takes nothing any more."""
    terminal = StuckTerminal("customer", "--url", shared_server.url)
    try:
        terminal.read_until(b"connected")
        terminal.fill()
        yield terminal
    finally:
        terminal.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, ExitCode.TERMINATED), (signal.SIGHUP, ExitCode.HUNG_UP)])
def test_screen_ends_at_a_signal_although_its_terminal_takes_nothing(
    terminal: StuckTerminal, number: signal.Signals, code: ExitCode
) -> None:
    terminal.child.send_signal(number)
    assert terminal.child.wait(END_S) == code


def test_screen_ends_with_its_terminal(terminal: StuckTerminal) -> None:
    terminal.hang_up()
    assert terminal.child.wait(END_S) == ExitCode.HUNG_UP
