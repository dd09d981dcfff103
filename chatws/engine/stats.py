"""Plain counters that a metrics collector reads when it is asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class EngineStats:
    """Totals since the server was made; gauges are on the server itself."""

    opened_total: Counter[str] = field(default_factory=Counter)
    """Sessions by their first transport."""
    closed_total: Counter[str] = field(default_factory=Counter)
    """Sessions by the reason of their end."""
    refused_total: Counter[str] = field(default_factory=Counter)
    """Handshakes refused, by reason."""
    protocol_errors: Counter[str] = field(default_factory=Counter)
    """By ``wire.errors.Fault``."""
    handler_errors: int = 0
    upgrades: int = 0
    slow_closed: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    """Payload bytes (text counts characters) of WebSocket messages and polling packets."""
    bytes_out: int = 0
    """Bytes of WebSocket frames, also of those that a poll then carries."""
