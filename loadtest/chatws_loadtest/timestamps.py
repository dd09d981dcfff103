"""Validation of the timestamps that a server gives to messages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

MAX_OFFSET_S: Final = 3600.0
"""Maximum difference between a timestamp and the generator's clock, which need not be synchronized."""

USUAL_CHARS: Final = 24
"""Length of the contract's form, with milliseconds and ``Z``."""

_SECOND: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)

BACKWARDS_S: Final = 0.1
"""A timestamp may be older by this time than that of an earlier message: servers of a cluster have separate clocks."""


@lru_cache(maxsize=16)
def _read_second(text: str) -> float | None:
    """Return the Unix time of a second, given as ``2026-11-29T05:30:00``, in UTC; None if it has another form."""
    return _read(f"{text}Z") if _SECOND.fullmatch(text) else None


def read_timestamp(text: str) -> float | None:
    """Return the Unix time of an ISO 8601 date with time, which is UTC without an offset; None if it is unreadable."""
    # The messages of one second share all but the milliseconds.
    if len(text) == USUAL_CHARS and text[-1] == "Z" and text[19] == ".":
        fraction = text[20:23]
        second_s = _read_second(text[:19])
        if second_s is not None and fraction.isdecimal():
            return second_s + int(fraction) / 1000
    return _read(text)


def _read(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
