"""What the benchmark and its contenders tell each other: a plan goes in, two words and one result come out."""

from __future__ import annotations

import sys

import msgspec

from chatws_loadtest.ipc import RoomAssignment

LOADED = b"loaded"
"""The program has started, and has not connected yet."""
READY = b"ready"
"""Everybody is in a room; the talk begins in half a second."""

LEAD_S = 0.5
DRAIN_S = 1.0


class GeneratorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do; every user sends ``rate`` messages per second on an open schedule."""

    url: str
    rooms: list[RoomAssignment]
    rate: float
    seconds: float
    connects_per_s: float
    content: str = "." * 80
    with_habits: bool = False
    """Type, read history and mark as read as well, as in ``chatws loadtest``; only ours can."""


class GeneratorResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; latencies count from the intended time of sending to the ack."""

    sent: int
    acks_us: list[int]


decode_talk = msgspec.json.Decoder(GeneratorPlan).decode
decode_heard = msgspec.json.Decoder(GeneratorResult).decode
encode = msgspec.json.Encoder().encode


def wait_for_the_end() -> None:
    """Stay until standard input ends: what a process has used can be read only while it is there."""
    sys.stdin.buffer.read()
