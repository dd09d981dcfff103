"""Program that forks a process for each ``chatws`` command, with the modules of the commands already imported.

Started by `tests.support.preloaded` with the descriptor of a socket. Each message on it is a `ForkRequest` with four
descriptors: the command's standard streams, and a socket for its process id and, at its end, its exit code. The command
may also be `-m` and the name of a module. Requests for Locust and for load processes go on to
`tests.support.locust_fork_server`, which the first of them starts.
"""

from __future__ import annotations

import atexit
import os
import runpy
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from select import POLLIN, poll
from typing import TYPE_CHECKING, Final

import msgspec

from chatws_loadtest import server_process, worker_pool
from chatws_loadtest.tap import analysis_process
from tests.support.fork_requests import (
    DESCRIPTORS,
    MAX_REQUEST_BYTES,
    ForkRequest,
    RunningPrograms,
    fork_program,
    prepare_to_fork,
)
from tests.support.forked_child import send_to, start_forked

if TYPE_CHECKING:
    from collections.abc import Sequence

CHATWS: Final = ("chatws_cli.main", "run")
PROGRAMS: Final = {
    "loadtest": ("chatws_loadtest.cli", "main"),
    "check": ("chatws_loadtest.check.command", "main"),
    "check-client": ("chatws_loadtest.client_check.command", "main"),
    "tap": ("chatws_loadtest.tap.command", "main"),
    "record": ("chatws_loadtest.tap.record_command", "main"),
    "replay": ("chatws_loadtest.replay.command", "main"),
    "timeline": ("chatws_loadtest.chatlog_timeline.command", "main"),
    "simulate": ("chatws_loadtest.simulate.command", "main"),
    "run": ("chatws_loadtest.scenario_file.command", "main"),
}
"""Command → module and function of its program; that of the others is `CHATWS`, which executes these."""

MODULE: Final = "-m"
"""First word in place of a command: the next one is the name of a module, which is run like `python -m`."""

TESTS: Final = "tests."
"""Beginning of the name of a module whose ``main`` is run in place of a command."""

LOCUST: Final = "locust"
IMPORTED_LATER: Final = (
    "alembic.command",
    "chatws.server.runner",
    "chatws.server.workers.supervisor",
    "chatws_cli.chat_session",
    "chatws_cli.dev_agent",
    "chatws_cli.startup_message",
    "chatws_cli.text_ui.text_mode",
    "chatws_loadtest.report.files",
    "chatws_loadtest.report.openmetrics",
    "chatws_loadtest.scenario_file.interruptible_play",
    "chatws_loadtest.scenario_file.load_profile",
    "chatws_loadtest.trend.page",
    "tests.support.workers",
    "uvloop",
)
"""Modules that the programs import while they run."""

IMPORTED_FOR_TERMINALS: Final = (
    "chatws_cli.demo.split_view",
    "chatws_cli.tui.app",
    "chatws_cli.tui.controller",
    "chatws_cli.tui.preferences",
    "chatws_loadtest.chatlog_timeline.screen",
    "chatws_loadtest.tap.screen",
    "textual.drivers.linux_driver",
)
"""Modules that programs import in a terminal; the first of these programs imports them here."""

IMPORTED_FOR_SERVICES: Final = ("chatws.bus.redis", "chatws.store.postgres_database")
"""Modules that servers with PostgreSQL or Redis import; the first of these servers imports them here."""

SERVICE_OPTIONS: Final = frozenset({"--database-url", "--redis-url"})

LOAD_PROCESS: Final = Path(__file__).with_name("load_process.py")

_imported: set[str] = set()
"""Modules that have been run as programs."""


def main() -> None:
    """Import the programs, and serve requests until the socket is closed."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _import_programs()
    locust_requests = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    locust_requests.bind("")  # the kernel chooses a name; it begins with a null byte
    address = locust_requests.getsockname()
    worker_pool.LOAD_PROCESS = (sys.executable, "-I", "-S", str(LOAD_PROCESS), address[1:].decode())
    server_requests = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server_requests.bind("")
    server_process.start_process = partial(start_forked, partial(send_to, server_requests.getsockname()))  # type: ignore[assignment]  # as far as needed
    # At the lowest priority, the analysis of a tap would get no processor time beside the other tests.
    analysis_process.lower_priority = do_nothing
    prepare_to_fork()
    requests = poll()
    for source in (control, locust_requests, server_requests):
        requests.register(source, POLLIN)
    programs = RunningPrograms(requests)
    while True:
        for readable, _ in requests.poll():
            if programs.reap(readable):
                continue
            if readable == locust_requests.fileno():
                requests.unregister(readable)
                _start_locust_fork_server(locust_requests)
                continue
            source = server_requests if readable == server_requests.fileno() else control
            message, descriptors, _, _ = socket.recv_fds(source, MAX_REQUEST_BYTES, DESCRIPTORS)
            if not message:
                return
            request = msgspec.json.decode(message, type=ForkRequest)
            _import_for(request)
            if request.argv[0] == LOCUST:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                    sender.connect(address)
                    socket.send_fds(sender, [message], descriptors)
                for descriptor in descriptors:
                    os.close(descriptor)
            elif fork_program(message, descriptors, _run_to_end, programs):
                return


def do_nothing() -> None:
    """Leave the priority of a process as it is."""


def _import_programs() -> None:
    _import_all(IMPORTED_LATER)
    for command in ("serve", "token", "customer", *PROGRAMS):
        # This imports the modules of the options, too.
        with suppress(SystemExit):
            _run(["chatws", command, "--help"])


def _import_all(modules: Sequence[str]) -> None:
    for module in modules:
        import_module(module)


def _import_for(request: ForkRequest) -> None:
    if request.argv[1:2] == [MODULE]:
        _import_imports(request.argv[2])
    if request.session != "inherited":
        _import_once(IMPORTED_FOR_TERMINALS)
    if not SERVICE_OPTIONS.isdisjoint(request.argv):
        _import_once(IMPORTED_FOR_SERVICES)


def _import_imports(name: str) -> None:
    """Import all that a module imports, which is run as a program; the first of its programs needs it."""
    if name in _imported:
        return
    _imported.add(name)
    module = import_module(name)
    if hasattr(module, "__path__"):
        module = import_module(f"{name}.__main__")
    # Otherwise `runpy` would warn that the module exists already.
    del sys.modules[module.__name__]
    prepare_to_fork()


def _import_once(modules: Sequence[str]) -> None:
    if modules[-1] not in sys.modules:
        _import_all(modules)
        prepare_to_fork()


def _run(argv: list[str]) -> None:
    """Run the program of a command; it raises SystemExit at its end."""
    if argv[1] == MODULE:
        sys.argv = argv[2:]
        runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
        return
    module, function = (argv[1], "main") if argv[1].startswith(TESTS) else PROGRAMS.get(argv[1], CHATWS)
    sys.argv = argv[1:] if argv[1] in PROGRAMS else argv
    getattr(import_module(module), function)()


def _run_to_end(argv: list[str]) -> None:
    try:
        _run(argv)
    except SystemExit as end:
        _exit_at_once(end.code)
        raise


def _exit_at_once(code: object) -> None:
    """Exit without deleting the modules of all programs one by one, which takes longer than many a command.

    Return if that is not possible, because the code is a text to print or the output cannot be written.
    """
    if not isinstance(code, int | None):
        return
    # As the interpreter does before it deletes them.
    threading._shutdown()  # type: ignore[attr-defined]  # as in multiprocessing
    atexit._run_exitfuncs()
    with suppress(AttributeError, OSError, ValueError):  # a stream is missing, broken or closed
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def _start_locust_fork_server(requests: socket.socket) -> None:
    """Start the other fork server, which ends when this process closes its standard input."""
    number = requests.fileno()
    subprocess.Popen(
        [sys.executable, "-m", "tests.support.locust_fork_server", str(number)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[number],
    )


if __name__ == "__main__":
    main()
