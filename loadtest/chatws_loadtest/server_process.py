"""The server under test: started alone on one core, killed and started again at the same place."""

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


class ServerStartFailed(Exception):
    """The server did not start; the text holds what it wrote."""


class ServerUnderTest:
    """A ``chatws serve`` with rates and counts lifted; its log goes to ``data_dir/server.log``."""

    def __init__(self, data_dir: Path, core: int | None, *options: str) -> None:
        self.data_dir = data_dir
        self.port = 0
        """Chosen by the system at the first start, and kept."""
        self._core = core
        self._options = options
        """More of ``chatws serve``."""
        self._child: asyncio.subprocess.Process | None = None
        # Bound to the port from the first kill on: it is not to be had by one of all those who try to come back.
        self._keeper: socket.socket | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None, "the server has not been started"
        return self._child.pid

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def keys(self) -> KeyRing:
        """The key that its tokens are signed with."""
        return load_keys(Settings(data_dir=self.data_dir), create=False)

    async def start(self) -> None:
        """Start it and return once it listens.

        Raises:
            ServerStartFailed: it did not come up.
        """
        options = ["--port", str(self.port), "--data-dir", str(self.data_dir), "--limits", "off"]
        options += ["--log-level", "warning", *self._options]
        command = [str(Path(sys.executable).with_name("chatws")), "serve", *options]
        if self._core is not None:
            command = ["taskset", "--cpu-list", str(self._core), *command]
        log = self.data_dir / "server.log"
        with log.open("ab") as stderr:
            child = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.PIPE, stderr=stderr, start_new_session=True
            )
        self._child = child
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                self.port = await _read_port(child)
        except (ServerStartFailed, TimeoutError):
            await self.kill()
            raise ServerStartFailed(f"chatws serve did not start:\n{log.read_text()}") from None

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self._child is not None, "the server has not been started"
        if self._child.returncode is None:
            self._child.kill()
        await self._child.wait()
        if self.port and self._keeper is None:
            self._keep_port()

    async def stop(self) -> None:
        """End it: politely, then not."""
        assert self._child is not None, "the server has not been started"
        if self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._child.wait()
        except TimeoutError:
            await self.kill()
        if self._keeper is not None:
            self._keeper.close()

    def _keep_port(self) -> None:
        """Bind the port without listening, which does not keep the next server from it; too late, it will say so."""
        self._keeper = socket.socket()
        self._keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            self._keeper.bind((HOST, self.port))


def reserve_core() -> int | None:
    """Keep this process off one core and return it, so that the server and its load do not take each other's time.

    None where there is only one, or no ``taskset`` to put the server there.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1 or shutil.which("taskset") is None:
        return None
    os.sched_setaffinity(0, cores[1:])
    return cores[0]


async def _read_port(child: asyncio.subprocess.Process) -> int:
    assert child.stdout is not None
    async for line in child.stdout:
        if match := re.search(rb"listening on http://[^ ]+:(\d+)", line):
            return int(match[1])
    raise ServerStartFailed("its output ended")
