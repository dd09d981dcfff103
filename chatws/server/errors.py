"""Why a server does not start."""

from __future__ import annotations


class StartError(Exception):
    """The server cannot start: ``what`` failed, ``why``, and what to do (``advice``, unless ``why`` says it)."""

    def __init__(self, what: str, why: str, advice: str = "") -> None:
        super().__init__(what, why, advice)
        self.what = what
        self.why = why
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.advice}" if self.advice else f"{self.what}: {self.why}"
