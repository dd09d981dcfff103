"""Size of the scenarios."""

from __future__ import annotations

from typing import Final

import msgspec


class SoakPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and durations of the scenarios; the defaults are the full soak test."""

    readers: int = 20
    sockets: int = 5_000
    handshakes: int = 2_000
    address_handshakes: int = 3_000
    addresses: int = 300
    slow_heads: int = 3_000
    idle: int = 1_000
    idle_s: float = 60.0
    churn_s: float = 600.0
    churn_per_s: float = 5.0
    rounds: int = 10
    round_clients: int = 3_000
    cached_bytes: int = 64 * 1024 * 1024
    """Messages written and read before the rounds and the churn, to fill the database's caches."""
    bystander_acks: int = 1_000
    """Least number of acks that the bystanders of a flood receive."""
    bystander_pause_s: float = 0.05
    """Time between an ack and the next message of a bystander."""
    settings: dict[str, int | str] = msgspec.field(default_factory=dict)
    slack: float = 1.0
    """Factor for the bounds on durations; above 1 for machines that run other processes, too."""


QUICK: Final = SoakPlan(
    readers=4,
    sockets=500,
    handshakes=300,
    address_handshakes=1_200,
    addresses=100,
    slow_heads=500,
    idle=100,
    idle_s=5.0,
    churn_s=20.0,
    rounds=5,
    round_clients=300,
    cached_bytes=0,
    bystander_acks=200,
    settings={"authenticate_ms": 3_000, "http_request_ms": 3_000, "write_stall_ms": 1_000, "presence_grace_ms": 200},
)
"""Every scenario in about three minutes, for a first impression."""
