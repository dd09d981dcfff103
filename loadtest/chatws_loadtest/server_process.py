"""Process of the bundled server, pinned to one core; it can be killed and restarted on the same port."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from chatws.server.auth.keys import KeyRing, load_keys
from chatws.settings import Settings

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
start_process = asyncio.create_subprocess_exec
"""Function that starts a server, or a program beside it; one that has imported the modules may fork instead."""

LISTENING = re.compile(rb"listening on http://[^ ]+:(\d+)\s")
"""Line of the server's standard output that names its port."""


class ServerStartFailed(Exception):
    """The server did not start; the text includes its log."""


class ServerUnderTest:
    """``chatws serve`` without limits of rates and counts; its log is ``data_dir/server.log``."""

    def __init__(self, data_dir: Path, core: int | None, *options: str) -> None:
        self.data_dir = data_dir
        self.port = 0
        """Chosen by the system at the first start, and kept across restarts."""
        self._core = core
        # Additional options of ``chatws serve``.
        self._options = options
        self._child: asyncio.subprocess.Process | None = None
        # Bound to the port from the first kill on, so that no reconnecting client gets it as its local port.
        self._port_holder: socket.socket | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None, "the server has not been started"
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._child is not None and self._child.returncode is None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def keys(self) -> KeyRing:
        """Keys that the server's tokens are signed with."""
        return load_keys(Settings(data_dir=self.data_dir), create=False)

    async def start(self) -> None:
        """Start the server, and return when it listens.

        Raises:
            ServerStartFailed: it did not listen in time.
        """
        options = ["--port", str(self.port), "--data-dir", str(self.data_dir), "--limits", "off"]
        options += ["--log-level", "warning", *self._options]
        command = [str(Path(sys.executable).with_name("chatws")), "serve", *options]
        if self._core is not None:
            command = ["taskset", "--cpu-list", str(self._core), *command]
        log = self.data_dir / "server.log"
        with log.open("ab") as stderr:
            child = await start_process(*command, stdout=asyncio.subprocess.PIPE, stderr=stderr, start_new_session=True)
        self._child = child
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self.port = await _read_port(child)
        except (ServerStartFailed, TimeoutError):
            await self.kill()
            raise ServerStartFailed(f"chatws serve did not start:\n{log.read_text()}") from None

    async def kill(self) -> None:
        """Kill the server (SIGKILL), and wait for the end of the process."""
        assert self._child is not None, "the server has not been started"
        if self._child.returncode is None:
            self._child.kill()
        await self._child.wait()
        if self.port and self._port_holder is None:
            self._port_holder = hold_port(self.port)

    async def terminate(self) -> bool:
        """Shut the server down (SIGTERM); kill it and return False if it does not end in time."""
        assert self._child is not None, "the server has not been started"
        if self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._child.wait()
        except TimeoutError:
            await self.kill()
            return False
        await self.kill()
        return True

    async def stop(self) -> None:
        """Shut the server down like `terminate`, and release its port."""
        await self.terminate()
        if self._port_holder is not None:
            self._port_holder.close()


def hold_port(port: int) -> socket.socket:
    """Bind a port without listening; a restarted server can bind it too, and reports if it is taken."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with suppress(OSError):
        holder.bind((HOST, port))
    return holder


def reserve_core() -> int | None:
    """Exclude this process from one core and return the core, so that server and load do not compete for it.

    Return None if there is only one core, or no ``taskset`` to pin the server to it.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1 or shutil.which("taskset") is None:
        return None
    os.sched_setaffinity(0, cores[1:])
    return cores[0]


async def _read_port(child: asyncio.subprocess.Process) -> int:
    assert child.stdout is not None
    async for line in child.stdout:
        if match := LISTENING.search(line):
            return int(match[1])
    raise ServerStartFailed("the server ended before it listened")
