"""Counters and log lines of connections that the listener refused or closed."""

from __future__ import annotations

import logging
import time
from collections import Counter
from enum import StrEnum

from chatws.logging import RateLimitedLogger

_log = logging.getLogger("chatws.listener")


class CloseReason(StrEnum):
    """Reason why the listener refused or closed a connection."""

    CONNECTIONS = "connections"
    """Too many connections, all of them in use."""
    ADDRESS = "address"
    """Too many connections from this address."""
    DESCRIPTORS = "descriptors"
    """Too few file descriptors, all connections in use."""
    EVICTED = "evicted"
    """Closed to make room for another: it waited longest without a complete request."""
    TLS = "tls_timeout"
    HEAD = "head_timeout"
    BODY = "body_timeout"


class ListenerStats:
    """Connections that are not WebSockets: their number, and those refused or closed by reason."""

    def __init__(self) -> None:
        self.open = 0
        self.closed: Counter[str] = Counter()
        self._log = RateLimitedLogger(_log, time.monotonic)

    def count(self, reason: CloseReason, address: str) -> None:
        """Count a connection that is refused or closed; logged at most once a second for each reason."""
        self.closed[reason] += 1
        self._log.write(logging.WARNING, "http_connection_closed", reason, reason=reason.value, address=address)
