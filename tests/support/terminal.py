"""A person's terminal: a pseudo-terminal with a program in it, keys to press and a screen to read."""

from __future__ import annotations

import codecs
import os
import pty
import re
import signal
import subprocess
import termios
import threading
import time
from typing import TYPE_CHECKING

from tests.support.server import CHATWS, environment_of_children

if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_ICANON_INDEX = 3


class TerminalProcess:
    """``chatws`` in a pseudo-terminal of its own; ends with ``close``."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self._keyboard, screen = pty.openpty()
        self._screen: int | None = screen  # until the program has ended
        self._changed = threading.Condition()
        self._received = ""
        self.child = subprocess.Popen(
            [CHATWS, *arguments],
            stdin=screen,
            stdout=screen,
            stderr=screen,
            env={**environment_of_children(), "TERM": "xterm", **(env or {})},
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def raw(self) -> str:
        """Everything the program wrote, escape sequences included."""
        with self._changed:
            return self._received

    @property
    def text(self) -> str:
        """What the program wrote, without the escape sequences that move and colour."""
        return _ESCAPES.sub("", self.raw)

    @property
    def is_line_mode(self) -> bool:
        """Whether the terminal's own line editing and echo are on, as a shell needs them."""
        flags = termios.tcgetattr(self._keyboard)[_ICANON_INDEX]
        return bool(flags & termios.ICANON and flags & termios.ECHO)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._keyboard, keys.encode())

    def sees(self, pattern: str, timeout_s: float = 30.0) -> re.Match[str]:
        """Wait for text on the screen.

        Raises:
            AssertionError: it did not appear.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (found := re.search(pattern, _ESCAPES.sub("", self._received))):
                remaining = deadline - time.monotonic()
                assert remaining > 0, f"no {pattern!r} in {self._received!r}"
                self._changed.wait(remaining)
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        self.child.send_signal(number)

    def wait(self) -> int:
        """Wait for the program's end and for all that it wrote, and return its exit code."""
        code = self.child.wait(timeout=30)
        self._let_screen_go()
        return code

    def close(self) -> None:
        """End the program if it runs and give the terminal back."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self._let_screen_go()
        os.close(self._keyboard)

    def _let_screen_go(self) -> None:
        """Let reading end, which it does once nobody holds the screen any more."""
        if self._screen is not None:
            os.close(self._screen)
            self._screen = None
        self._thread.join(timeout=30)

    def _read(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode  # one character may come in two pieces
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
