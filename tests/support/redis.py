"""A real Redis of the tests' own: killed, stopped, emptied and started again as they please."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from chatws.bus.redis.resp import Command, Reply, ReplyReader, encode
from tests.support.ports import free_port
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path

START_TIMEOUT_S = 20.0


class RedisServer:
    """``redis-server`` on a free port, which it keeps; nothing is written to disk. Every method blocks."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._program = require_tool("redis-server", "apt install redis-server")
        self._directory = directory
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._child is not None, "redis-server is not running"
        return self._child.pid

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        settings = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._child = subprocess.Popen(
            [self._program, *settings, "--dir", str(self._directory), *self._options], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._child.poll() is None, "redis-server ended while it started"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it with SIGKILL; stopped or not."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def stop(self) -> None:
        """Have it hang: connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def cont(self) -> None:
        """Have it go on after ``stop``."""
        self._signal(signal.SIGCONT)

    def call(self, *command: bytes | str | int) -> Reply:
        """Carry out one command on a connection of its own."""
        return self.call_all(command)[0]

    def call_all(self, *commands: Command) -> list[Reply]:
        """Carry out commands on one connection."""
        reader = ReplyReader()
        replies: list[Reply] = []
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
            link.sendall(encode(*commands))
            while len(replies) < len(commands):
                chunk = link.recv(65_536)
                assert chunk, "redis-server closed the connection"
                replies += reader.feed(chunk)
        return replies

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, AssertionError):
            self.call("PING")
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None, "redis-server is not running"
        self._child.send_signal(number)
