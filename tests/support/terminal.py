"""Pseudo-terminal that runs ``chatws``: sends keys and reads the output."""

from __future__ import annotations

import codecs
import os
import pty
import re
import signal
import termios
import threading
import time
from typing import TYPE_CHECKING

from tests.support.preloaded import PreloadedProcess
from tests.support.server import environment_of_children

if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_ICANON_INDEX = 3


class TerminalProcess:
    """``chatws`` in its own pseudo-terminal, until ``close``."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._keyboard, screen = pty.openpty()
        self._screen: int | None = screen  # None after the end of the program
        self._changed = threading.Condition()
        self._received = ""
        variables = {**environment_of_children(), "TERM": "xterm", **(env or {})}
        self.child = PreloadedProcess(arguments, [screen] * 3, variables, session="own")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def raw(self) -> str:
        """Complete output, including escape sequences."""
        with self._changed:
            return self._received

    @property
    def text(self) -> str:
        """Output without escape sequences."""
        return _ESCAPES.sub("", self.raw)

    @property
    def is_line_mode(self) -> bool:
        """Whether line editing and echo of the terminal are enabled."""
        flags = termios.tcgetattr(self._keyboard)[_ICANON_INDEX]
        return bool(flags & termios.ICANON and flags & termios.ECHO)

    def press(self, keys: str) -> None:
        """Send keys."""
        os.write(self._keyboard, keys.encode())

    def wait_for(self, pattern: str, timeout_s: float = 60.0) -> re.Match[str]:
        """Wait until the output matches a pattern.

        Raises:
            AssertionError: no match in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (found := re.search(pattern, _ESCAPES.sub("", self._received))):
                remaining = deadline - time.monotonic()
                assert remaining > 0, f"no {pattern!r} in {self._received!r}"
                self._changed.wait(remaining)
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        self.child.send_signal(number)

    def wait(self) -> int:
        """Wait for the end of the program and of its output; return the exit code."""
        code = self.child.wait(timeout=60)
        self._close_screen()
        return code

    def close(self) -> None:
        """Kill the program if it runs, and close the terminal."""
        self.child.kill()
        self.child.wait()
        self._close_screen()
        os.close(self._keyboard)

    def _close_screen(self) -> None:
        """Close the screen, so that the reading thread ends."""
        if self._screen is not None:
            os.close(self._screen)
            self._screen = None
        self._thread.join(timeout=30)

    def _read(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode  # a character may be split between two reads
        while True:
            try:
                received = os.read(self._keyboard, 65_536)
            except OSError:
                return
            if not received:
                return
            with self._changed:
                self._received += decode(received)
                self._changed.notify_all()
