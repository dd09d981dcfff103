"""Exit codes of the ``chatws`` commands."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit code of a command; the codes above 128 are 128 plus a signal's number."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANNOT_CONNECT = 3
    REFUSED = 4
    INVALID_RUN = 98
    """Load test limited by the load generator, or with too few samples."""
    TARGET_MISSED = 99
    """Load test that missed a threshold."""
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    """The reader of standard output has gone; `SIGPIPE` itself is ignored by Python."""
    TERMINATED = 143
