"""Processes that benchmarks and forked load tests start: forked by `tests.support.fork_server`, too, not executed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec

from tests.support.fork_requests import ForkRequest

if TYPE_CHECKING:
    from collections.abc import Callable

Output = int | IO[bytes] | None
"""Standard output or error: a pipe, a file, or that of the caller."""

TASKSET: Final = 3
"""Words of the command that pins a program to a core."""

MAX_REPORT_BYTES: Final = 32


class ForkedChild:
    """Forked process with the methods of `asyncio.subprocess.Process` that a load test uses."""

    def __init__(
        self, pid: int, report: socket.socket, stdout: asyncio.StreamReader | None, stderr: asyncio.StreamReader | None
    ) -> None:
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
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

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def _read_end(self) -> int:
        with self._report as report:
            self.returncode = int(await asyncio.get_running_loop().sock_recv(report, MAX_REPORT_BYTES))
        return self.returncode


async def start_forked(
    send: Callable[[bytes, list[int]], None],
    *command: str,
    stdout: Output = None,
    stderr: Output = None,
    start_new_session: bool = False,
) -> ForkedChild | asyncio.subprocess.Process:
    """Start a command like `asyncio.create_subprocess_exec`; ``send`` sends a request to the fork server.

    Programs other than ``chatws`` and ``python -m`` are executed.
    """
    cores = [int(command[TASKSET - 1])] if command[0] == "taskset" else []
    argv = list(command[TASKSET:] if cores else command)
    if Path(argv[0]).name != "chatws" and argv[1] != "-m":
        return await asyncio.create_subprocess_exec(
            *command, stdout=stdout, stderr=stderr, start_new_session=start_new_session
        )
    # The session of the fork server is not that of the load test either.
    request = ForkRequest(argv, dict(os.environ), str(Path.cwd()), cores)
    outputs = [_open_output(wanted, number) for number, wanted in enumerate((stdout, stderr), 1)]
    own, report = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    own.setblocking(False)
    stdin = os.open(os.devnull, os.O_RDONLY)
    try:
        send(msgspec.json.encode(request), [stdin, *(writing for _, writing in outputs), report.fileno()])
    finally:
        report.close()
        os.close(stdin)
        for _, writing in outputs:
            os.close(writing)
    readers = [None if reading is None else await _open_reader(reading) for reading, _ in outputs]
    return ForkedChild(int(await asyncio.get_running_loop().sock_recv(own, MAX_REPORT_BYTES)), own, *readers)


def _open_output(wanted: Output, inherited: int) -> tuple[int | None, int]:
    """Return the descriptor from which to read an output, if it is a pipe, and the one that the process writes to."""
    if wanted == asyncio.subprocess.PIPE:
        return os.pipe()
    assert not isinstance(wanted, int)
    return None, os.dup(inherited if wanted is None else wanted.fileno())


async def _open_reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    return reader


def send_to(address: bytes, message: bytes, descriptors: list[int]) -> None:
    """Send a request to the socket of a fork server, from a process that it has forked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        socket.send_fds(sender, [message], descriptors)
