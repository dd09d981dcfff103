"""Requests to fork a program whose modules are already imported, and their execution."""

from __future__ import annotations

import fcntl
import gc
import os
import resource
import signal
import sys
import termios
import threading
from collections.abc import Callable, Sequence

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
    # The kernel reaps the forked processes that wait for the commands.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def fork_program(message: bytes, descriptors: Sequence[int], run: Callable[[list[str]], None]) -> bool:
    """Fork a process that calls ``run`` with the requested words, and one that waits for its end.

    Returns:
        whether this is the process of the program, after its end.
    """
    if fork():
        return False
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request = msgspec.json.decode(message, type=ForkRequest)
    *streams, report = descriptors
    pid = fork()
    if pid == 0:
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
    for descriptor in streams:
        close(descriptor)
    os.write(report, str(pid).encode())
    _, status = waitpid(pid, 0)
    os.write(report, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _begin_session(session: Session) -> None:
    if session == "inherited":
        return
    os.setsid()
    if session == "terminal":
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # As in a program whose standard output is a terminal from its start.
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]  # not replaced yet
