"""The servers that are compared: how each is started on its core, and stopped."""

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
_PLENTY = 1_000_000
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
"""Every limit is counted and checked as in production, and none is reached."""


class ServerImplementation(StrEnum):
    """A server, by its name in the results."""

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
    """A server that listens; its output goes to ``server.log`` in its folder."""

    def __init__(self, child: asyncio.subprocess.Process, port: int, folder: Path) -> None:
        self._child = child
        self.port = port
        self.folder = folder

    @property
    def pid(self) -> int:
        return self._child.pid

    async def stop(self) -> None:
        """End it: politely, then not."""
        if self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._child.wait()
        except TimeoutError:
            self._child.kill()
            await self._child.wait()


async def start(contender: ServerImplementation, folder: Path, core: int | None) -> RunningServer:
    """Start a server, on one core if one is given, and return once it listens.

    Raises:
        ServerStartFailed: it did not come up.
    """
    command = _command(contender, folder)
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
        raise ServerStartFailed(f"{contender} did not start:\n{log.read_text()}") from None


def prepare_node() -> str | None:
    """Install the pinned socket.io beside its server, once, and return its version; None where there is no Node.

    Raises:
        subprocess.CalledProcessError: npm failed; its output went to standard error.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    wanted: str = json.loads((_NODE_DIR / "package.json").read_text())["dependencies"]["socket.io"]
    installed = _NODE_DIR / "node_modules" / "socket.io" / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted:
        subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=_NODE_DIR, check=True)
    return wanted


def _command(contender: ServerImplementation, folder: Path) -> list[str]:
    if contender is ServerImplementation.NODE:
        return ["node", str(_NODE_DIR / "server.mjs")]
    if contender is ServerImplementation.STOCK:
        return [sys.executable, "-m", "benchmarks.engine.stock_server"]
    options = ["--port", "0", "--data-dir", str(folder), "--log-level", "warning", "--bot", "none"]
    if contender is ServerImplementation.CHATWS_MEMORY:
        options += ["--database-url", "sqlite://"]
    for name in _RAISED_LIMITS:
        options += ["--set", f"{name}={_PLENTY}"]
    return [str(Path(sys.executable).with_name("chatws")), "serve", *options]


async def _read_port(child: asyncio.subprocess.Process) -> int:
    assert child.stdout is not None
    async for line in child.stdout:
        if match := re.search(rb"listening on http://[^ ]+:(\d+)", line):
            return int(match[1])
    raise ServerStartFailed("its output ended")
