"""Program that forks Locust and the load processes of ``chatws loadtest``, with their modules already imported.

Started by `tests.support.fork_server` with the descriptor of a datagram socket for requests of the same kind.
"""

from __future__ import annotations

import socket
import sys
from importlib import import_module
from select import POLLIN, poll

from tests.support.fork_requests import DESCRIPTORS, MAX_REQUEST_BYTES, RunningPrograms, fork_program, prepare_to_fork

STDIN = 0
LOCUST = "locust"
LOAD_PROCESS = "chatws_loadtest.locust_worker.__main__"
IMPORTED = (
    # First, because Locust patches the standard library.
    "chatws_loadtest.locust_worker",
    LOAD_PROCESS,
    "locust.main",
    "chatws_loadtest.locust_worker.capacity_shape",
    "chatws_loadtest.options",
    "chatws_loadtest.scenario_file.load_profile",
)
"""Modules of the programs and of the locustfile, which is not imported itself: that would register its users."""


def main() -> None:
    """Import the programs, and serve requests until standard input is closed."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    for module in IMPORTED:
        import_module(module)
    prepare_to_fork()
    sources = poll()
    for source in (requests.fileno(), STDIN):
        sources.register(source, POLLIN)
    programs = RunningPrograms(sources)
    while True:
        for source, _ in sources.poll():
            if programs.reap(source):
                continue
            if source == STDIN:
                return
            message, descriptors, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, DESCRIPTORS)
            if fork_program(message, descriptors, _run, programs):
                return


def _run(argv: list[str]) -> None:
    """Run Locust or a load process; both raise SystemExit at their end."""
    gevent = import_module("gevent")
    gevent.reinit()
    # Timers would count from the import, and those of a run that is shorter than its age would fire at once.
    gevent.get_hub().loop.update_now()
    sys.argv = argv
    module = "locust.main" if argv[0] == LOCUST else LOAD_PROCESS
    sys.exit(import_module(module).main())


if __name__ == "__main__":
    main()
