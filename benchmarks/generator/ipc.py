"""Messages between the benchmark and a generator's process.

The process writes `LOADED`, reads a `GeneratorPlan`, writes `READY`, and after the load a `GeneratorResult`; one line
each.
"""

from __future__ import annotations

import sys
from typing import Final

import msgspec

from chatws_loadtest.ipc import RoomAssignment

LOADED: Final = b"loaded"
"""The program has started and has no connections yet."""
READY: Final = b"ready"
"""All users are in their rooms; the load begins after `LEAD_S`."""

LEAD_S: Final = 0.5
DRAIN_S: Final = 1.0
"""Wait for pending acks after the load."""


class GeneratorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Load of one generator; every user sends ``rate`` messages per second on an open schedule."""

    url: str
    rooms: list[RoomAssignment]
    rate: float
    seconds: float
    connects_per_s: float
    content: str = "." * 80
    all_activities: bool = False
    """Also type, read history and mark as read, as in ``chatws loadtest``; the other generators cannot."""


class GeneratorResult(msgspec.Struct, frozen=True, kw_only=True):
    """Messages sent, and their latencies from the scheduled time of sending to the ack."""

    sent: int
    acks_us: list[int]


decode_plan = msgspec.json.Decoder(GeneratorPlan).decode
decode_result = msgspec.json.Decoder(GeneratorResult).decode
encode = msgspec.json.Encoder().encode


def wait_for_end() -> None:
    """Block until standard input ends, because the CPU time of a process can be read only while it exists."""
    sys.stdin.buffer.read()
