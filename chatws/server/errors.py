"""Why a server does not start."""

from __future__ import annotations


class StartError(Exception):
    """The server cannot start: ``what`` failed, ``why``, and what to do about it (``advice``)."""

    def __init__(self, what: str, why: str, advice: str) -> None:
        super().__init__(what, why, advice)
        self.what = what
        self.why = why
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.advice}"
