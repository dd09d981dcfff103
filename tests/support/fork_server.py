"""Program that forks a process for each ``chatws`` command, with the modules of the commands already imported.

Started by `tests.support.preloaded` with the descriptor of a socket. Each message on it is a `ForkRequest` with four
descriptors: the command's standard streams, and a socket for its process id and, at its end, its exit code.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Final

import msgspec

CHATWS: Final = ("chatws_cli.main", "run")
PROGRAMS: Final = {
    "loadtest": ("chatws_loadtest.cli", "main"),
    "check": ("chatws_loadtest.check.command", "main"),
    "check-client": ("chatws_loadtest.client_check.command", "main"),
    "run": ("chatws_loadtest.scenario_file.command", "main"),
}
"""Command → module and function of its program; that of the others is `CHATWS`, which executes these four."""

IMPORTED_LATER: Final = (
    "alembic.command",
    "chatws.server.workers.supervisor",
    "chatws_cli.chat_session",
    "chatws_cli.dev_agent",
    "chatws_cli.startup_message",
    "chatws_cli.text_ui.text_mode",
)
"""Modules that the programs import while they run."""

MAX_REQUEST_BYTES: Final = 1024 * 1024
DESCRIPTORS: Final = 4


class ForkRequest(msgspec.Struct, frozen=True):
    """Request to run ``chatws`` in a folder and an environment; ``argv`` begins with its path."""

    argv: list[str]
    env: dict[str, str]
    folder: str


def main() -> None:
    """Import the programs, and serve requests until the socket is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in IMPORTED_LATER:
        import_module(module)
    for command in ("serve", "token", "customer", *PROGRAMS):
        # This imports the modules of the options, too.
        with suppress(SystemExit):
            _run(["chatws", command, "--help"])
    assert threading.active_count() == 1, "a forked process would lack the other threads"
    gc.collect()
    gc.freeze()
    # Under nohup it is ignored, and the commands would keep it ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # The kernel reaps the forked processes that wait for the commands.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_REQUEST_BYTES, DESCRIPTORS)
        if not message:
            return
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _fork_command(msgspec.json.decode(message, type=ForkRequest), descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _fork_command(request: ForkRequest, descriptors: list[int]) -> None:
    """Run the command in a process, and wait for its end in this one, which exits without returning."""
    *streams, report = descriptors
    pid = os.fork()
    if pid == 0:
        os.close(report)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(request.folder)
        os.environ.clear()
        os.environ.update(request.env)
        _run(request.argv)
        return
    for descriptor in streams:
        os.close(descriptor)
    os.write(report, str(pid).encode())
    _, status = os.waitpid(pid, 0)
    os.write(report, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _run(argv: list[str]) -> None:
    """Run the program of a command; it raises SystemExit at its end."""
    module, function = PROGRAMS.get(argv[1], CHATWS)
    sys.argv = argv[1:] if argv[1] in PROGRAMS else argv
    getattr(import_module(module), function)()


if __name__ == "__main__":
    main()
