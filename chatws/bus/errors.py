"""Exceptions of a bus.

BusError
 ├─ BusUnavailable  the broker does not respond; the same request may succeed later
 └─ BadBusUrl       no broker can be reached with this URL
"""

from __future__ import annotations


class BusError(Exception):
    """Base of the exceptions of a bus."""


class BusUnavailable(BusError):
    """Broker that does not respond now; ``reason`` is for the operator."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the broker is unavailable: {self.reason}"


class BadBusUrl(BusError):
    """Invalid broker URL; the text does not contain the URL, which may include a password."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"invalid broker URL: {self.reason}"
