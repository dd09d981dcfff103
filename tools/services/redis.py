"""Redis server without persistence, as a child process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

from redis.connection import Connection
from redis.exceptions import RedisError

from tools.services.programs import ServiceFailed, find_program, unused_port

if TYPE_CHECKING:
    from pathlib import Path

    from chatws.bus.redis.connection import Command, Reply

START_TIMEOUT_S: Final = 30.0


class RedisProcess:
    """``redis-server`` that writes nothing to disk; it can be killed and started again, empty, on the same port."""

    def __init__(self, directory: Path, *options: str, port: int | None = None) -> None:
        """Set the working directory, more options of ``redis-server``, and the port, by default an unused one.

        Raises:
            ProgramMissing: Redis is not installed.
        """
        self.port = unused_port() if port is None else port
        self._program = find_program("redis-server", "apt install redis-server")
        self._directory = directory
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._child is not None, "redis-server is not running"
        return self._child.pid

    def start(self) -> None:
        """Start the server, empty, and return once it replies.

        Raises:
            ServiceFailed: the server ended during the start, or did not reply in time.
        """
        settings = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
        self._child = subprocess.Popen(
            [self._program, *settings, "--dir", str(self._directory), *self._options], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._replies():
            if self._child.poll() is not None:
                raise ServiceFailed("redis-server ended during the start")
            if time.monotonic() > deadline:
                raise ServiceFailed("redis-server does not reply")
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill the server (SIGKILL) if it exists, even while it is suspended (SIGSTOP)."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def freeze(self) -> None:
        """Freeze the server: connections stay open and get no reply."""
        os.kill(self.pid, signal.SIGSTOP)

    def unfreeze(self) -> None:
        """Continue after ``freeze``."""
        os.kill(self.pid, signal.SIGCONT)

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
