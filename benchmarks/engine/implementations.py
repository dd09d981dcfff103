"""Compared servers: titles, commands, start on one core, and stop."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from chatws_loadtest.server_process import START_TIMEOUT_S, STOP_TIMEOUT_S, ServerStartFailed

_NODE_DIR = Path(__file__).parent / "node"
_UNREACHED_LIMIT = 1_000_000
_RAISED_LIMITS = (
    "send_per_s",
    "send_burst",
    "join_per_s",
    "join_burst",
    "total_per_s",
    "total_burst",
    "sessions_per_s",
    "connections_per_agent",
    "connections_per_address",
    "connections",
    "unauthenticated",
    "new_per_address_per_s",
    "new_per_s",
)
"""Limits that stay active, as in production, with values that the load never reaches."""


class ServerImplementation(StrEnum):
    """Compared servers, by the name used in options and results."""

    CHATWS = "chatws"
    CHATWS_MEMORY = "chatws-memory"
    STOCK = "stock"
    NODE = "node"

    @property
    def is_chatws(self) -> bool:
        return self in (ServerImplementation.CHATWS, ServerImplementation.CHATWS_MEMORY)


TITLES = {
    ServerImplementation.CHATWS: "chatws: auth, validation, limits, SQLite FULL before the ack",
    ServerImplementation.CHATWS_MEMORY: "chatws: the same, with the database in memory",
    ServerImplementation.STOCK: "python-socketio's server on aiohttp and uvloop, in memory",
    ServerImplementation.NODE: "Node's socket.io, in memory",
}


class RunningServer:
    """Process of a listening server; its log is ``server.log`` in its folder."""

    def __init__(self, child: asyncio.subprocess.Process, port: int, folder: Path) -> None:
        self._child = child
        self.port = port
        self.folder = folder

    @property
    def pid(self) -> int:
        return self._child.pid

    async def stop(self) -> None:
        """Stop the server with SIGTERM, and with SIGKILL if it has not ended after 15 s."""
        if self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._child.wait()
        except TimeoutError:
            self._child.kill()
            await self._child.wait()


async def start(implementation: ServerImplementation, folder: Path, core: int | None) -> RunningServer:
    """Start a server, pinned to a core if one is given, and return once it listens.

    Raises:
        ServerStartFailed: the server did not listen in time.
    """
    command = _command(implementation, folder)
    if core is not None:
        command = ["taskset", "--cpu-list", str(core), *command]
    log = folder / "server.log"
    with log.open("wb") as stderr:
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=stderr)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            return RunningServer(child, await _read_port(child), folder)
    except (ServerStartFailed, TimeoutError):
        if child.returncode is None:
            child.kill()
        await child.wait()
        raise ServerStartFailed(f"{implementation} did not start:\n{log.read_text()}") from None


def prepare_node() -> str | None:
    """Install the pinned version of socket.io if it is missing, and return the version; None without Node.

    Raises:
        subprocess.CalledProcessError: npm failed; its output is on standard error.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    required: str = json.loads((_NODE_DIR / "package.json").read_text())["dependencies"]["socket.io"]
    installed = _NODE_DIR / "node_modules" / "socket.io" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != required:
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=_NODE_DIR, check=True)
    return required


def _command(implementation: ServerImplementation, folder: Path) -> list[str]:
    if implementation is ServerImplementation.NODE:
        return ["node", str(_NODE_DIR / "server.mjs")]
    if implementation is ServerImplementation.STOCK:
        return [sys.executable, "-m", "benchmarks.engine.stock_server"]
    options = ["--port", "0", "--data-dir", str(folder), "--log-level", "warning", "--bot", "none"]
    if implementation is ServerImplementation.CHATWS_MEMORY:
        options += ["--database-url", "sqlite://"]
    for name in _RAISED_LIMITS:
        options += ["--set", f"{name}={_UNREACHED_LIMIT}"]
    return [str(Path(sys.executable).with_name("chatws")), "serve", *options]


async def _read_port(child: asyncio.subprocess.Process) -> int:
    assert child.stdout is not None
    async for line in child.stdout:
        if match := re.search(rb"listening on http://[^ ]+:(\d+)", line):
            return int(match[1])
    raise ServerStartFailed("its output ended")
