"""Compared servers: titles, commands, limits, start on one core, and stop."""

from __future__ import annotations

import asyncio
import fcntl
import json
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from chatws.server.auth.keys import load_keys
from chatws.settings import Settings
from chatws_loadtest import server_process
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
UNREACHED_LIMITS = dict.fromkeys(_RAISED_LIMITS, _UNREACHED_LIMIT)
"""Limits that stay active, as in production, with values that the load never reaches."""

_NODE_LIMITS = (
    *("send_per_s", "send_burst", "join_per_s", "join_burst", "total_per_s", "total_burst"),
    *("connections_per_session", "connections_per_agent", "connections_per_address", "connections", "new_per_s"),
    *("rooms_per_socket", "members_per_room"),
)
"""Settings of chatws that the Node server with the same promises applies too."""


class ServerImplementation(StrEnum):
    """Compared servers, by the name used in options and results."""

    CHATWS = "chatws"
    NODE_TURN = "node-turn"
    NODE_MESSAGE = "node-message"
    NODE_MEMORY = "node-memory"
    STOCK = "stock"
    CHATWS_MEMORY = "chatws-memory"
    CHATWS_BASELINE = "chatws-baseline"

    @property
    def is_chatws(self) -> bool:
        return self in TITLES_OF_CHATWS

    @property
    def is_node(self) -> bool:
        return self in (*NODE_COMMITS, ServerImplementation.NODE_MEMORY)

    @property
    def checks_credentials(self) -> bool:
        return self.is_chatws or self in NODE_COMMITS


NODE_COMMITS = {ServerImplementation.NODE_TURN: "turn", ServerImplementation.NODE_MESSAGE: "message"}
"""Variants of the Node server with the same promises: each transaction holds one turn of its loop, or one message."""

_PYTHON = f"Python {platform.python_version()}"
_PROMISES = "auth, validation, limits, idempotency, SQLite FULL before the ack"

TITLES_OF_CHATWS = {
    ServerImplementation.CHATWS: f"chatws on {_PYTHON}: {_PROMISES}",
    ServerImplementation.CHATWS_MEMORY: f"chatws on {_PYTHON}: the same, with the database in memory",
    ServerImplementation.CHATWS_BASELINE: "chatws, the version given by --baseline",
}

TITLES = TITLES_OF_CHATWS | {
    ServerImplementation.NODE_TURN: f"Node's socket.io: {_PROMISES}, one commit per turn of its loop",
    ServerImplementation.NODE_MESSAGE: "Node's socket.io: the same, one commit per message",
    ServerImplementation.NODE_MEMORY: "Node's socket.io, in memory",
    ServerImplementation.STOCK: f"python-socketio's server on aiohttp, uvloop and {_PYTHON}, in memory",
}

COMPARED = (
    ServerImplementation.CHATWS,
    ServerImplementation.NODE_TURN,
    ServerImplementation.NODE_MESSAGE,
    ServerImplementation.NODE_MEMORY,
    ServerImplementation.STOCK,
)
"""Servers that are measured unless others are selected."""


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


async def start(
    implementation: ServerImplementation,
    folder: Path,
    core: int | None,
    *,
    limits: Mapping[str, int | str] = UNREACHED_LIMITS,
    baseline: str | None = None,
) -> RunningServer:
    """Start a server and return once it listens.

    Args:
        implementation: the server.
        folder: its data directory.
        core: the core that it is pinned to, if given.
        limits: settings of chatws that differ from the defaults; the Node server with the same promises obeys those
            that are limits too.
        baseline: ``chatws`` program of the version that is compared with this one.

    Raises:
        ServerStartFailed: the server did not listen in time.
    """
    if implementation in NODE_COMMITS:
        load_keys(Settings(data_dir=folder), create=True)
    command = _command(implementation, folder, limits, baseline)
    if core is not None:
        command = ["taskset", "--cpu-list", str(core), *command]
    log = folder / "server.log"
    with log.open("wb") as stderr:
        child = await server_process.start_process(*command, stdout=asyncio.subprocess.PIPE, stderr=stderr)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            return RunningServer(child, await _read_port(child), folder)
    except (ServerStartFailed, TimeoutError):
        if child.returncode is None:
            child.kill()
        await child.wait()
        raise ServerStartFailed(f"{implementation} did not start:\n{log.read_text()}") from None


def prepare_node() -> dict[str, str] | None:
    """Install the pinned npm packages if one is missing, and return their versions; None without Node.

    A lock serialises parallel calls.

    Raises:
        subprocess.CalledProcessError: npm failed; its output is on standard error.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    with (_NODE_DIR / "package.json").open() as manifest:
        fcntl.flock(manifest, fcntl.LOCK_EX)
        required: dict[str, str] = json.load(manifest)["dependencies"]
        if any(_installed_version(name) != version for name, version in required.items()):
            subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock"], cwd=_NODE_DIR, check=True)
    return required


def _installed_version(package: str) -> str | None:
    manifest = _NODE_DIR / "node_modules" / package / "package.json"
    return str(json.loads(manifest.read_text())["version"]) if manifest.exists() else None


def _command(
    implementation: ServerImplementation, folder: Path, limits: Mapping[str, int | str], baseline: str | None
) -> list[str]:
    if implementation is ServerImplementation.NODE_MEMORY:
        return ["node", str(_NODE_DIR / "memory_server.mjs")]
    if implementation in NODE_COMMITS:
        values = {name: getattr(Settings(), name) for name in _NODE_LIMITS} | dict(limits)
        options = ["--data-dir", str(folder), "--commit", NODE_COMMITS[implementation], "--limits", json.dumps(values)]
        return ["node", str(_NODE_DIR / "chat_server.mjs"), *options]
    if implementation is ServerImplementation.STOCK:
        return [sys.executable, "-m", "benchmarks.engine.stock_server"]
    options = ["--port", "0", "--data-dir", str(folder), "--log-level", "warning", "--bot", "none"]
    if implementation is ServerImplementation.CHATWS_MEMORY:
        options += ["--database-url", "sqlite://"]
    for name, value in limits.items():
        options += ["--set", f"{name}={value}"]
    own = str(Path(sys.executable).with_name("chatws"))
    return [(baseline or own) if implementation is ServerImplementation.CHATWS_BASELINE else own, "serve", *options]


async def _read_port(child: asyncio.subprocess.Process) -> int:
    assert child.stdout is not None
    async for line in child.stdout:
        if match := re.search(rb"listening on http://[^ ]+:(\d+)", line):
            return int(match[1])
    raise ServerStartFailed("its output ended")
