"""Size of the scenarios."""

from __future__ import annotations

import msgspec


class SoakPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and durations of the scenarios; the defaults are the full soak test."""

    readers: int = 20
    sockets: int = 5_000
    handshakes: int = 2_000
    idle: int = 1_000
    idle_s: float = 60.0
    churn_s: float = 600.0
    churn_per_s: float = 5.0
    settings: dict[str, int | str] = msgspec.field(default_factory=dict)
    slack: float = 1.0
    """Factor for the bounds on durations; above 1 for machines that run other processes, too."""
