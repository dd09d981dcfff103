"""Errors at the start of a server."""

from __future__ import annotations

from chatws.exit_codes import ExitCode


class StartError(Exception):
    """Failed start: the part that failed, the reason, advice, empty if the reason implies it, and the exit code."""

    def __init__(self, what: str, why: str, advice: str = "", *, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(what, why, advice)
        self.what = what
        self.why = why
        self.advice = advice
        self.code = code

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.advice}" if self.advice else f"{self.what}: {self.why}"
