"""Redis server for tests; tests can kill, freeze, empty and restart it."""

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
    """``redis-server`` on a free port, which stays the same; nothing is written to disk. Every method blocks."""

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
        """Start an empty server and wait until it replies."""
        settings = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._child = subprocess.Popen(
            [self._program, *settings, "--dir", str(self._directory), *self._options], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._replies():
            assert self._child.poll() is None, "redis-server ended while it started"
            assert time.monotonic() < deadline, "redis-server does not reply"
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the server with SIGKILL, even while frozen."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def stop(self) -> None:
        """Freeze the server: connections stay open and get no reply."""
        self._signal(signal.SIGSTOP)

    def cont(self) -> None:
        """Continue after ``stop``."""
        self._signal(signal.SIGCONT)

    def call(self, *command: bytes | str | int) -> Reply:
        """Execute one command on a new connection."""
        return self.call_all(command)[0]

    def call_all(self, *commands: Command) -> list[Reply]:
        """Execute commands on one new connection."""
        connection = Connection("127.0.0.1", self.port, protocol=2, socket_timeout=10, driver_info=None)
        try:
            connection.connect()
            connection.send_packed_command(connection.pack_commands(commands))
            return [connection.read_response(disable_decoding=True) for _ in commands]
        finally:
            connection.disconnect()

    def _replies(self) -> bool:
        with contextlib.suppress(RedisError):
            self.call("PING")
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None, "redis-server is not running"
        self._child.send_signal(number)
