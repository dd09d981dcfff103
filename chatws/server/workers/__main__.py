"""Entry point of a server process started by `run_workers`: ``python -m chatws.server.workers``."""

from __future__ import annotations

import os
import sys

from chatws.server.errors import StartError
from chatws.server.runner import run
from chatws.server.workers.ipc import Listening, StartFailed, decode_assignment, encode_line

EXIT_FAILED = 1


def main() -> int:
    """Serve with the settings sent by the parent, until the parent stops this process or ends."""
    assignment = decode_assignment(sys.stdin.buffer.readline())
    try:
        return run(
            assignment.settings,
            lambda url: _report(Listening(url)),
            number=assignment.number,
            lifeline=sys.stdin.fileno(),
        )
    except StartError as error:
        _report(StartFailed(error.what, error.why, error.advice, error.code))
        return EXIT_FAILED


def _report(report: Listening | StartFailed) -> None:
    os.write(sys.stdout.fileno(), encode_line(report))
    # The parent reads a single line; anything a library prints later goes to the log.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
