"""Errors at the start of a server."""

from __future__ import annotations


class StartError(Exception):
    """Failed start: the part that failed, the reason, and advice, empty if the reason implies it."""

    def __init__(self, what: str, why: str, advice: str = "") -> None:
        super().__init__(what, why, advice)
        self.what = what
        self.why = why
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.advice}" if self.advice else f"{self.what}: {self.why}"
