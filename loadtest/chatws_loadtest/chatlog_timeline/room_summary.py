"""Summary of a room in a timeline: latencies, cuts, and messages by their fault."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from chatws_loadtest.chatlog_timeline.timeline_model import RoomSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.chatlog_timeline.timeline_model import TimelineMessage

WEIGHTS: Final = {"lost": 1000, "duplicate": 500, "unacked": 300, "refused": 100, "catch-up": 10, "late": 1}
"""Weight of a message in the order of the rooms, by its state."""

FAULTS: Final = ("lost", "duplicate", "unacked", "refused")


def summarize(messages: Sequence[TimelineMessage], cuts: int) -> RoomSummary:
    """Return the summary of a room with these messages."""
    counts = Counter(message.state for message in messages)
    latencies = sorted(
        at - message.begins for message in messages if message.sent for _, at, is_caught in message.to if not is_caught
    )
    return RoomSummary(
        p50_ms=_percentile(latencies, 0.5),
        p99_ms=_percentile(latencies, 0.99),
        cuts=cuts,
        caught_up=counts["catch-up"],
        late=counts["late"],
        faults=sum(counts[state] for state in FAULTS),
        trouble=sum(weight * counts[state] for state, weight in WEIGHTS.items()),
    )


def _percentile(values: Sequence[int], share: float) -> int | None:
    return values[min(len(values) - 1, int(len(values) * share))] if values else None
