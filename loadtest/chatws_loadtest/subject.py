"""The server under test: started alone on one core, with the accounts a load needs."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


class SubjectFailed(Exception):
    """The server did not start, or refused what a load needs; the text holds what it wrote."""


class Session(NamedTuple):
    """A customer's credentials and conversation."""

    session_id: str
    conversation_id: str


class Subject:
    """A running ``chatws serve``; its log goes to ``data_dir/server.log``."""

    def __init__(self, child: asyncio.subprocess.Process, port: int, data_dir: Path) -> None:
        self._child = child
        self.port = port
        self.data_dir = data_dir

    @property
    def pid(self) -> int:
        return self._child.pid

    async def agent_token(self, user_id: str) -> str:
        """Make a token that is valid for the whole run.

        Raises:
            SubjectFailed: the command failed.
        """
        options = ["--sub", user_id, "--role", "admin", "--ttl", "24h", "--data-dir", str(self.data_dir)]
        child = await asyncio.create_subprocess_exec(
            *_chatws("token", "create", *options), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        stdout, stderr = await child.communicate()
        if child.returncode != 0:
            raise SubjectFailed(f"chatws token create: {stderr.decode()}")
        return stdout.decode().strip()

    async def new_sessions(self, count: int) -> list[Session]:
        """Start customer sessions over REST.

        Raises:
            SubjectFailed: the server refused one.
        """
        return await asyncio.to_thread(self._new_sessions, count)

    async def stop(self) -> None:
        """End the server: politely, then not."""
        if self._child.returncode is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._child.wait()
        except TimeoutError:
            self._child.kill()
            await self._child.wait()

    def _new_sessions(self, count: int) -> list[Session]:
        client = http.client.HTTPConnection(HOST, self.port, timeout=START_TIMEOUT_S)
        sessions: list[Session] = []
        for _ in range(count):
            client.request("POST", "/api/sessions", body=b"{}", headers={"Content-Type": "application/json"})
            response = client.getresponse()
            body = response.read()
            if response.status not in (200, 201):
                raise SubjectFailed(f"POST /api/sessions: {response.status} {body[:200]!r}")
            fields = json.loads(body)
            sessions.append(Session(fields["sessionId"], fields["conversationId"]))
        client.close()
        return sessions


def reserve_core() -> int | None:
    """Keep this process off one core and return it, so that the server and its load do not take each other's time.

    None where there is only one, or no ``taskset`` to put the server there.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1 or shutil.which("taskset") is None:
        return None
    os.sched_setaffinity(0, cores[1:])
    return cores[0]


async def start_subject(data_dir: Path, core: int | None) -> Subject:
    """Start a server with rates and counts lifted, on one core if one is given.

    Raises:
        SubjectFailed: it did not come up.
    """
    command = _chatws("serve", "--port", "0", "--data-dir", str(data_dir), "--limits", "off", "--log-level", "warning")
    if core is not None:
        command = ["taskset", "--cpu-list", str(core), *command]
    log = data_dir / "server.log"
    with log.open("wb") as stderr:
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=stderr)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            port = await _read_port(child)
    except (SubjectFailed, TimeoutError):
        if child.returncode is None:
            child.kill()
        await child.wait()
        raise SubjectFailed(f"chatws serve did not start:\n{log.read_text()}") from None
    return Subject(child, port, data_dir)


async def _read_port(child: asyncio.subprocess.Process) -> int:
    assert child.stdout is not None
    async for line in child.stdout:
        if match := re.search(rb"listening on http://[^ ]+:(\d+)", line):
            return int(match[1])
    raise SubjectFailed("its output ended")


def _chatws(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("chatws")), *arguments]
