"""Everything a bus raises on purpose.

BusError
 ├─ Away       the broker does not answer now; what was asked may be asked again later
 └─ BadBusUrl  there is no broker for this URL
"""

from __future__ import annotations


class BusError(Exception):
    """Base of everything a bus raises on purpose."""


class BusUnavailable(BusError):
    """The broker does not answer now; ``reason`` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the broker is away: {self.reason}"


class BadBusUrl(BusError):
    """A URL that names no broker; it is not repeated, because it may hold a password."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"this is no broker's URL: {self.reason}"
