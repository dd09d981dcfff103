"""How a command fails: one line for people, one exit code for programs."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit code of every command means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANNOT_CONNECT = 3
    REFUSED = 4
    INVALID_RUN = 98
    TARGET_MISSED = 99
    INTERRUPTED = 130
    TERMINATED = 143


class CommandError(Exception):
    """A command can not go on: ``what`` happened, ``why``, and what to do next (``advice``); parts may be empty."""

    def __init__(self, what: str, why: str = "", advice: str = "", *, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(what, why, advice)
        self.what = what
        self.why = why
        self.advice = advice
        self.code = code

    def __str__(self) -> str:
        reason = f": {self.why}" if self.why else ""
        return f"{self.what}{reason}; {self.advice}" if self.advice else f"{self.what}{reason}"
