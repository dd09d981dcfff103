"""What a client can say about itself (guide: client-side metrics)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.client.core.cursors import ConversationCursors

LATENCY_SAMPLES = 512


@dataclass(frozen=True, slots=True)
class ClientStats:
    """Counts since the client was made; latencies over the last 512 acks, in seconds, None without any."""

    uptime_s: float
    """Connected time, all links together."""
    sent: int
    """Messages handed to the client."""
    delivered: int
    """Of those, stored by the server."""
    failed: int
    pending: int
    received: int
    reconnects: int
    errors: int
    duplicates_dropped: int
    gaps_filled: int
    ack_latency_p50_s: float | None
    ack_latency_p95_s: float | None
    ack_latency_max_s: float | None


class ClientCounters:
    """The running counts."""

    def __init__(self) -> None:
        self.sent = 0
        self.delivered = 0
        self.failed = 0
        self.errors = 0
        self._latencies: deque[float] = deque(maxlen=LATENCY_SAMPLES)

    def note_ack(self, latency_s: float) -> None:
        """Count one answer."""
        self._latencies.append(latency_s)

    def snapshot(self, *, uptime_s: float, pending: int, reconnects: int, rooms: ConversationCursors) -> ClientStats:
        """Freeze the counts."""
        ordered = sorted(self._latencies)
        return ClientStats(
            uptime_s=uptime_s,
            sent=self.sent,
            delivered=self.delivered,
            failed=self.failed,
            pending=pending,
            received=rooms.received,
            reconnects=reconnects,
            errors=self.errors,
            duplicates_dropped=rooms.duplicates,
            gaps_filled=rooms.gaps_filled,
            ack_latency_p50_s=_quantile(ordered, 0.5),
            ack_latency_p95_s=_quantile(ordered, 0.95),
            ack_latency_max_s=ordered[-1] if ordered else None,
        )


def _quantile(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
