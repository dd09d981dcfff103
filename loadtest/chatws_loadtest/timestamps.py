"""Validation of the timestamps that a server gives to messages."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

MAX_OFFSET_S: Final = 3600.0
"""Maximum difference between a timestamp and the generator's clock, which need not be synchronized."""

USUAL_CHARS: Final = 24

BACKWARDS_S: Final = 0.1
"""A timestamp may be older by this time than that of an earlier message: servers of a cluster have separate clocks."""


@lru_cache(maxsize=16)
def _read_minute(text: str) -> float | None:
    """Return the Unix time of a minute, given as ``2026-11-29T05:30``, in UTC."""
    return _read(f"{text}:00Z")


def read_timestamp(text: str) -> float | None:
    """Return the Unix time of an ISO 8601 date with time, which is UTC without an offset; None if it is unreadable."""
    # The usual form, with milliseconds: nearly all messages of a run share a few minutes.
    seconds = text[17:23]
    if len(text) == USUAL_CHARS and text[-1] == "Z" and text[16] == ":" and seconds[2] == ".":
        whole, fraction = seconds[:2], seconds[3:]
        minute_s = _read_minute(text[:16])
        if minute_s is not None and whole.isdecimal() and fraction.isdecimal() and whole < "60":
            return minute_s + float(seconds)
    return _read(text)


def _read(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
