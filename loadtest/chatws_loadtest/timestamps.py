"""Validation of the timestamps that a server gives to messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

MAX_OFFSET_S: Final = 3600.0
"""Maximum difference between a timestamp and the generator's clock, which need not be synchronized."""

BACKWARDS_S: Final = 0.1
"""A timestamp may be older by this time than that of an earlier message: servers of a cluster have separate clocks."""


def read_timestamp(text: str) -> float | None:
    """Return the Unix time of an ISO 8601 date with time, which is UTC without an offset; None if it is unreadable."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
