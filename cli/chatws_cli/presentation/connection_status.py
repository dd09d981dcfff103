"""Connection status for the status bar: state, retry countdown, latency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatws_cli.presentation.sanitize import clean_line

if TYPE_CHECKING:
    from chatws.client import ConnectionChange, ConnectionState


@dataclass(slots=True)
class ConnectionStatus:
    """State, attempt and countdown; times are seconds of a monotonic clock."""

    state: ConnectionState = "disconnected"
    reason: str = ""
    attempt: int = 0
    retry_at: float | None = None
    latency_s: float | None = None
    was_connected: bool = False

    def apply(self, change: ConnectionChange, now: float) -> None:
        """Store a change reported by the client."""
        self.state, self.reason, self.attempt = change.state, clean_line(change.reason), change.attempt
        self.retry_at = None if change.retry_in_s is None else now + change.retry_in_s
        self.was_connected = self.was_connected or change.state == "connected"

    def describe(self, now: float) -> str:
        """Return the status in a few words."""
        if self.state == "connected":
            latency = "" if self.latency_s is None else f" {max(1, round(self.latency_s * 1000))} ms"
            return f"● connected{latency}"
        if self.state == "reconnecting":
            wait_s = 0 if self.retry_at is None else math.ceil(max(0.0, self.retry_at - now))
            when = f"in {wait_s} s" if wait_s else "now"
            return f"○ reconnecting {when} (try {self.attempt})"
        return "○ connecting" if not self.was_connected else "○ disconnected"
