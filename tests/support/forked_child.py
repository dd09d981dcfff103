"""Servers of forked load tests: forked by `tests.support.fork_server`, too, instead of executed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tests.support.fork_requests import ForkRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

TASKSET: Final = 3
"""Words of the command that pins a program to a core."""

MAX_REPORT_BYTES: Final = 32


class ForkedChild:
    """Forked process with the methods of `asyncio.subprocess.Process` that a load test uses."""

    def __init__(self, pid: int, report: socket.socket, stdout: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._report = report
        self._ending = asyncio.create_task(self._read_end())

    async def wait(self) -> int:
        """Wait until the process has exited, and return its exit code."""
        return await asyncio.shield(self._ending)

    def send_signal(self, number: signal.Signals) -> None:
        # It may have been reaped without its exit code being read yet.
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def _read_end(self) -> int:
        with self._report as report:
            self.returncode = int(await asyncio.get_running_loop().sock_recv(report, MAX_REPORT_BYTES))
        return self.returncode


async def start_forked(
    send: Callable[[bytes, list[int]], None], *command: str, stdout: int, stderr: IO[bytes], start_new_session: bool
) -> ForkedChild:
    """Start a command like `asyncio.create_subprocess_exec`; ``send`` sends a request to the fork server.

    The session of the fork server is not that of the load test either.
    """
    assert stdout == asyncio.subprocess.PIPE
    assert start_new_session
    cores = [int(command[TASKSET - 1])] if command[0] == "taskset" else []
    argv = list(command[TASKSET:] if cores else command)
    request = ForkRequest(argv, dict(os.environ), str(Path.cwd()), cores)
    reading, writing = os.pipe()
    own, report = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own.setblocking(False)
    stdin = os.open(os.devnull, os.O_RDONLY)
    try:
        send(msgspec.json.encode(request), [stdin, writing, stderr.fileno(), report.fileno()])
    finally:
        report.close()
        os.close(stdin)
        os.close(writing)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb"))
    return ForkedChild(int(await loop.sock_recv(own, MAX_REPORT_BYTES)), own, reader)


def send_to(address: bytes, message: bytes, descriptors: list[int]) -> None:
    """Send a request to the socket of a fork server, from a process that it has forked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        socket.send_fds(sender, [message], descriptors)
