"""Statistics of a client (guide: client-side metrics)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.client.core.cursors import ConversationCursors

LATENCY_SAMPLES = 512


@dataclass(frozen=True, slots=True)
class ClientStats:
    """Counts since the client was created; latencies in seconds over the last 512 acks, None before the first."""

    uptime_s: float
    """Connected time of all connections together."""
    sent: int
    """Messages posted."""
    delivered: int
    """Messages stored by the server."""
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
    """Mutable counters behind `ClientStats`."""

    def __init__(self) -> None:
        self.sent = 0
        self.delivered = 0
        self.failed = 0
        self.errors = 0
        self._latencies: deque[float] = deque(maxlen=LATENCY_SAMPLES)

    def record_ack(self, latency_s: float) -> None:
        """Record the latency of one ack."""
        self._latencies.append(latency_s)

    def snapshot(self, *, uptime_s: float, pending: int, reconnects: int, cursors: ConversationCursors) -> ClientStats:
        """Return the current statistics."""
        ordered = sorted(self._latencies)
        return ClientStats(
            uptime_s=uptime_s,
            sent=self.sent,
            delivered=self.delivered,
            failed=self.failed,
            pending=pending,
            received=cursors.received,
            reconnects=reconnects,
            errors=self.errors,
            duplicates_dropped=cursors.duplicates,
            gaps_filled=cursors.gaps_filled,
            ack_latency_p50_s=_quantile(ordered, 0.5),
            ack_latency_p95_s=_quantile(ordered, 0.95),
            ack_latency_max_s=ordered[-1] if ordered else None,
        )


def _quantile(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
