"""One server of several: ``python -m chatws.server.workers``, started by `run_workers` and by nobody else."""

from __future__ import annotations

import os
import sys

from chatws.server.errors import StartError
from chatws.server.runner import run
from chatws.server.workers.ipc import Listening, StartFailed, decode_assignment, encode_line

EXIT_FAILED = 1


def main() -> int:
    """Serve as the parent asks, and end when it asks or is gone."""
    assignment = decode_assignment(sys.stdin.buffer.readline())
    try:
        return run(
            assignment.settings,
            lambda url: _report(Listening(url)),
            number=assignment.number,
            lifeline=sys.stdin.fileno(),
        )
    except StartError as problem:
        _report(StartFailed(problem.what, problem.why, problem.advice))
        return EXIT_FAILED


def _report(report: Listening | StartFailed) -> None:
    os.write(sys.stdout.fileno(), encode_line(report))
    # The parent reads one line; whatever a library may print later belongs to the log.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
