"""Exit codes of the commands, and the exception that ends a command with one of them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of ``chatws loadtest`` and ``chatws check``."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANNOT_CONNECT = 3
    REFUSED = 4
    INVALID_RUN = 98
    TARGET_MISSED = 99
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


class CommandExit(Exception):
    """End of the command with one line on standard error and an exit code."""

    def __init__(self, line: str, code: ExitCode) -> None:
        super().__init__(line, code)
        self.line = line
        self.code = code
