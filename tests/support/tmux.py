"""Terminal in a separate tmux server: sends keys and reads the screen.

A window runs `tests.support.tmux_window`, which gives its terminal to the programs that the test starts.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.preloaded import PreloadedProcess
from tests.support.server import environment_of_children
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_POLL_S = 0.1
_WINDOW: Final = Path(__file__).with_name("tmux_window.py")


class Tmux:
    """tmux server with one session per window, until ``close``.

    Its commands go through one client in control mode: starting a client for each takes longer than its command.
    """

    def __init__(self, directory: Path) -> None:
        self._env = {**environment_of_children(), "LANG": "C.UTF-8", "TERM": "xterm-256color"}
        program = require_tool("tmux", "apt install tmux")
        command = [program, "-S", str(directory / "tmux"), "-f", "/dev/null", "-C", "new-session", "sleep infinity"]
        self._client = subprocess.Popen(
            command, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._read_reply()

    def open(self, name: str, columns: int = 110, rows: int = 30) -> TmuxWindow:
        """Open a window, and return it once a program can be started in it."""
        size = ["-x", str(columns), "-y", str(rows)]
        self.run("new-session", "-d", "-s", name, *size, sys.executable, "-I", "-S", str(_WINDOW))
        window = TmuxWindow(self, name, self._env)
        window.wait_for(r"^\$")
        return window

    def run(self, *arguments: str) -> str:
        """Run a tmux command and return what it printed."""
        self._write(*arguments)
        return self._read_reply()

    def close(self) -> None:
        """End every window and what runs in it."""
        self._write("kill-server")
        self._client.communicate(timeout=60)

    def _write(self, *arguments: str) -> None:
        assert self._client.stdin is not None
        self._client.stdin.write(" ".join(map(_quote, arguments)) + "\n")
        self._client.stdin.flush()

    def _read_reply(self) -> str:
        """Read the lines between ``%begin`` and ``%end``; notifications come before the former."""
        assert self._client.stdout is not None
        while not (line := self._client.stdout.readline()).startswith("%begin "):
            assert line, "tmux ended"
        number = line.removeprefix("%begin ")
        printed: list[str] = []
        while (line := self._client.stdout.readline()) != f"%end {number}":
            assert line, "tmux ended"
            assert line != f"%error {number}", printed
            printed.append(line)
        return "".join(printed)


def _quote(word: str) -> str:
    """Quote a word for tmux, whose commands end with a line."""
    return '"' + re.sub(r'[\\"$]', r"\\\g<0>", word).replace("\n", r"\n") + '"'


class TmuxWindow:
    """Terminal window in which one program after another is started."""

    def __init__(self, tmux: Tmux, name: str, env: Mapping[str, str]) -> None:
        self._tmux = tmux
        self._name = name
        # The value of TMUX serves only to tell programs that they run in tmux.
        self._env = {**env, "TERM": "screen", "TMUX": "tests,0,0"}
        self._program: PreloadedProcess | None = None

    @property
    def text(self) -> str:
        """Text of the screen."""
        return self._tmux.run("capture-pane", "-p", "-t", self._name)

    @property
    def title(self) -> str:
        """Title of the window, which hostile text could try to set."""
        return self._tmux.run("display-message", "-p", "-t", self._name, "#{pane_title}").strip()

    @property
    def is_clean(self) -> bool:
        """Whether the normal screen is active and mouse reporting is off."""
        flags = "#{alternate_on}#{mouse_any_flag}#{cursor_flag}"
        return self._tmux.run("display-message", "-p", "-t", self._name, flags).strip() == "001"

    def start(self, *arguments: str, **env: str) -> None:
        """Clear the window, start ``chatws`` in it, and print its exit code at its end."""
        terminal = os.open(
            self._tmux.run("display-message", "-p", "-t", self._name, "#{pane_tty}").strip(), os.O_RDWR | os.O_NOCTTY
        )
        os.write(terminal, b"\x1b[2J\x1b[H")
        program = PreloadedProcess(arguments, [terminal] * 3, {**self._env, **env}, session="terminal")

        def print_exit_code() -> None:
            code = program.wait()
            with suppress(OSError):  # the window was closed
                os.write(terminal, f"exit code {code}\r\n".encode())
            os.close(terminal)

        threading.Thread(target=print_exit_code, daemon=True).start()
        self._program = program

    @property
    def child(self) -> int:
        """Process id of the program in the window."""
        assert self._program is not None, "no program was started"
        return self._program.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program in the window."""
        os.kill(self.child, number)

    def close(self) -> None:
        """Close the window while the program runs."""
        self._tmux.run("kill-session", "-t", self._name)

    def wait_for_exit(self, process: int, timeout_s: float = 60.0) -> None:
        """Wait for the end of a process that is not a child of this one.

        Raises:
            AssertionError: it has not ended in time.
        """
        deadline = time.monotonic() + timeout_s
        while Path(f"/proc/{process}").exists():
            assert time.monotonic() < deadline, f"process {process} still runs"
            time.sleep(_POLL_S)

    def press(self, *keys: str) -> None:
        """Send keys, by their tmux names."""
        self._tmux.run("send-keys", "-t", self._name, *keys)

    def write(self, text: str) -> None:
        """Type characters."""
        self._tmux.run("send-keys", "-t", self._name, "-l", text)

    def paste(self, text: str) -> None:
        """Paste text; bracketed if the program has enabled it."""
        self._tmux.run("set-buffer", "-b", "pasted", text)
        self._tmux.run("paste-buffer", "-p", "-b", "pasted", "-t", self._name)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux.run("resize-window", "-t", self._name, "-x", str(columns), "-y", str(rows))

    def wait_for(self, pattern: str, timeout_s: float = 60.0) -> str:
        """Wait until the screen matches a pattern, and return its text.

        Raises:
            AssertionError: no match in time.
        """
        return self._wait(lambda text: re.search(pattern, text) is not None, f"no {pattern!r}", timeout_s)

    def wait_until_absent(self, pattern: str, timeout_s: float = 60.0) -> str:
        return self._wait(lambda text: re.search(pattern, text) is None, f"still {pattern!r}", timeout_s)

    def _wait(self, condition: Callable[[str], bool], problem: str, timeout_s: float) -> str:
        deadline = time.monotonic() + timeout_s
        while not condition(text := self.text):
            assert time.monotonic() < deadline, f"{problem} on\n{text}"
            time.sleep(_POLL_S)
        return text
