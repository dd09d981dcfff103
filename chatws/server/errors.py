"""Errors of the start of a server."""

from __future__ import annotations


class StartError(Exception):
    """Failure to start: ``what`` failed, ``why``, and ``advice`` unless ``why`` contains it."""

    def __init__(self, what: str, why: str, advice: str = "") -> None:
        super().__init__(what, why, advice)
        self.what = what
        self.why = why
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.advice}" if self.advice else f"{self.what}: {self.why}"
