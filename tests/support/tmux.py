"""A terminal as people have it: tmux on a socket of its own, keys to press and a screen to read."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.server import environment_of_children
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_S = 0.05


class Tmux:
    """One tmux server; every window is a session of its own. Ends with ``close``."""

    def __init__(self, directory: Path) -> None:
        self._program = require_tool("tmux", "apt install tmux")
        self._socket = directory / "tmux"
        self._env = {**environment_of_children(), "LANG": "C.UTF-8", "TERM": "xterm-256color"}

    def open(self, name: str, columns: int = 110, rows: int = 30) -> Window:
        """Open a window with a shell in it."""
        self.run("new-session", "-d", "-s", name, "-x", str(columns), "-y", str(rows), "PS1='$ ' sh")
        return Window(self, name)

    def run(self, *arguments: str) -> str:
        """Run a tmux command and return what it printed."""
        command = [self._program, "-S", str(self._socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=30, check=True).stdout

    def close(self) -> None:
        """End every window and what runs in it."""
        subprocess.run(
            [self._program, "-S", str(self._socket), "kill-server"], capture_output=True, timeout=30, check=False
        )


class Window:
    """One person's terminal."""

    def __init__(self, tmux: Tmux, name: str) -> None:
        self._tmux = tmux
        self._name = name

    @property
    def text(self) -> str:
        """What is on the screen."""
        return self._tmux.run("capture-pane", "-p", "-t", self._name)

    @property
    def title(self) -> str:
        """The pane's title, which hostile text may want to set."""
        return self._tmux.run("display-message", "-p", "-t", self._name, "#{pane_title}").strip()

    @property
    def is_clean(self) -> bool:
        """Whether programs have left the normal screen and no mouse reporting behind."""
        flags = "#{alternate_on}#{mouse_any_flag}#{cursor_flag}"
        return self._tmux.run("display-message", "-p", "-t", self._name, flags).strip() == "001"

    def start(self, *command: str) -> None:
        """Run a command and then print its exit code."""
        self.write(f"{shlex.join(command)}; echo exit code $?")
        self.press("Enter")

    def clear(self) -> None:
        """Empty the screen of a window that is at its prompt."""
        self.write("clear")
        self.press("Enter")
        self.sees_no_more("exit code")

    @property
    def child(self) -> int:
        """The process id of the program in the window."""
        shell = int(self._tmux.run("display-message", "-p", "-t", self._name, "#{pane_pid}"))
        (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(child)

    def signal(self, number: signal.Signals) -> None:
        """Send the program in the window a signal."""
        os.kill(self.child, number)

    def close(self) -> None:
        """Close the window under the program."""
        self._tmux.run("kill-session", "-t", self._name)

    def wait_until_gone(self, process: int, timeout_s: float = 20.0) -> None:
        """Wait for the end of a process that is not a child of this one.

        Raises:
            AssertionError: it lives on.
        """
        deadline = time.monotonic() + timeout_s
        while Path(f"/proc/{process}").exists():
            assert time.monotonic() < deadline, f"process {process} lives on"
            time.sleep(_POLL_S)

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names."""
        self._tmux.run("send-keys", "-t", self._name, *keys)

    def write(self, text: str) -> None:
        """Type characters."""
        self._tmux.run("send-keys", "-t", self._name, "-l", text)

    def paste(self, text: str) -> None:
        """Paste as a terminal does, bracketed if the program wants that."""
        self._tmux.run("set-buffer", "-b", "pasted", text)
        self._tmux.run("paste-buffer", "-p", "-b", "pasted", "-t", self._name)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux.run("resize-window", "-t", self._name, "-x", str(columns), "-y", str(rows))

    def sees(self, pattern: str, timeout_s: float = 30.0) -> str:
        """Wait for a pattern on the screen and return the screen.

        Raises:
            AssertionError: it did not appear.
        """
        return self._wait(lambda text: re.search(pattern, text) is not None, f"no {pattern!r}", timeout_s)

    def sees_no_more(self, pattern: str, timeout_s: float = 30.0) -> str:
        return self._wait(lambda text: re.search(pattern, text) is None, f"still {pattern!r}", timeout_s)

    def _wait(self, condition: Callable[[str], bool], problem: str, timeout_s: float) -> str:
        deadline = time.monotonic() + timeout_s
        while not condition(text := self.text):
            assert time.monotonic() < deadline, f"{problem} on\n{text}"
            time.sleep(_POLL_S)
        return text
