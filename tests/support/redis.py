"""A real Redis of the tests' own: killed, stopped, emptied and started again as they please."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from redis.connection import Connection
from redis.exceptions import RedisError

from tests.support.ports import free_port
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.bus.redis.connection import Command, Reply

START_TIMEOUT_S = 30.0


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
        link = Connection("127.0.0.1", self.port, protocol=2, socket_timeout=10, driver_info=None)
        try:
            link.connect()
            link.send_packed_command(link.pack_commands(commands))
            return [link.read_response(disable_decoding=True) for _ in commands]
        finally:
            link.disconnect()

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError):
            self.call("PING")
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None, "redis-server is not running"
        self._child.send_signal(number)
