"""Requests to fork a program whose modules are already imported, and their execution."""

from __future__ import annotations

import fcntl
import gc
import os
import resource
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

# Locust replaces the functions of the module by those of gevent.
from os import close, fork, waitpid
from typing import Final, Literal

import msgspec

MAX_REQUEST_BYTES: Final = 1024 * 1024
DESCRIPTORS: Final = 4
"""Descriptors in a request: standard streams, and a socket for process id and exit code."""


Session = Literal["inherited", "own", "terminal"]
"""Session of a program: that of the fork server, or its own, with its standard input as controlling terminal or not."""


class ForkRequest(msgspec.Struct, frozen=True):
    """Request to run a program in a folder, an environment and on some cores; ``argv`` begins with its name.

    ``open_files`` are the soft and the hard limit of open files.
    """

    argv: list[str]
    env: dict[str, str]
    folder: str
    cores: list[int] = []
    session: Session = "inherited"
    open_files: tuple[int, int] | None = None


def prepare_to_fork() -> None:
    """Prepare this process, which has imported the programs, for being forked."""
    assert threading.active_count() == 1, "a forked process would lack the other threads"
    gc.collect()
    gc.freeze()
    # Under nohup it is ignored, and the commands would keep it ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class RunningPrograms:
    """Forked programs that have not ended; `requests` is polled for their ends, too.

    The fork server itself waits for them: a process for each that waits would cost as much as the program's own fork.
    """

    def __init__(self, requests: select.poll) -> None:
        self._requests = requests
        # Process id and socket for the exit code, by the descriptor that is readable at the end of the program.
        self._programs: dict[int, tuple[int, int]] = {}

    def add(self, pid: int, report: int) -> None:
        """Write the process id of a program to its socket, which is closed at its end."""
        end = os.pidfd_open(pid)
        self._programs[end] = pid, report
        self._requests.register(end, select.POLLIN)
        self._write(report, pid)

    def reap(self, readable: int) -> bool:
        """Write the exit code of a program that has ended; return False if the descriptor is not that of a program."""
        if readable not in self._programs:
            return False
        pid, report = self._programs.pop(readable)
        self._requests.unregister(readable)
        close(readable)
        _, status = waitpid(pid, 0)
        self._write(report, os.waitstatus_to_exitcode(status))
        close(report)
        return True

    def close(self) -> None:
        """Close all descriptors, in a forked process."""
        for end, (_, report) in self._programs.items():
            close(end)
            close(report)

    @staticmethod
    def _write(report: int, number: int) -> None:
        # The test may not wait for the end.
        with suppress(BrokenPipeError, ConnectionResetError):
            os.write(report, str(number).encode())


def fork_program(
    message: bytes, descriptors: Sequence[int], run: Callable[[list[str]], None], programs: RunningPrograms
) -> bool:
    """Fork a process that calls ``run`` with the requested words; the descriptors are closed.

    Returns:
        whether this is the process of the program, after its end.
    """
    request = msgspec.json.decode(message, type=ForkRequest)
    *streams, report = descriptors
    pid = fork()
    if pid:
        for descriptor in streams:
            close(descriptor)
        programs.add(pid, report)
        return False
    programs.close()
    close(report)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        close(descriptor)
    _begin_session(request.session)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.env)
    if request.cores:
        os.sched_setaffinity(0, request.cores)
    if request.open_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, request.open_files)
    run(request.argv)
    return True


def _begin_session(session: Session) -> None:
    if session == "inherited":
        return
    os.setsid()
    if session == "terminal":
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # As in a program whose standard output is a terminal from its start.
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]  # not replaced yet
