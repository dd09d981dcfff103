"""Error that ends a command: one line for the user, one exit code for scripts."""

from __future__ import annotations

from chatws.exit_codes import ExitCode


class CommandError(Exception):
    """Failure of a command: ``what`` happened, ``why``, and what to do next (``advice``); any of them may be empty."""

    def __init__(self, what: str, why: str = "", advice: str = "", *, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(what, why, advice)
        self.what = what
        self.why = why
        self.advice = advice
        self.code = code

    def __str__(self) -> str:
        reason = f": {self.why}" if self.why else ""
        return f"{self.what}{reason}; {self.advice}" if self.advice else f"{self.what}{reason}"
