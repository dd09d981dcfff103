"""Identifiers and times: time-ordered ids, unguessable ids, Unix milliseconds, and RFC 3339 timestamps."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime

_generator = random.Random(secrets.randbits(128))
_getrandbits = _generator.getrandbits


def seed_ids(seed: int) -> None:
    """Make the ids that follow repeatable, for simulations."""
    _generator.seed(seed)


def new_id(now_ms: int) -> str:
    """Return a UUID version 7 (RFC 9562) for a Unix time in milliseconds; ids sort by time.

    The random part is unique, not secret: the generator of the operating system would cost a system call per id.
    """
    # One format operation: in an f-string, which formats every field on its own, an id takes twice the time.
    return "%08x-%04x-7%03x-%04x-%012x" % (  # noqa: UP031
        now_ms >> 16 & 0xFFFF_FFFF,
        now_ms & 0xFFFF,
        _getrandbits(12),
        0x8000 | _getrandbits(14),
        _getrandbits(48),
    )


def new_secret_id() -> str:
    """Return an unguessable id of 192 random bits, in the alphabet of ids."""
    return secrets.token_urlsafe(24)


def now_unix_ms() -> int:
    """Return the current time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def format_timestamp(unix_ms: int) -> str:
    """Format a Unix time in milliseconds as RFC 3339 in UTC, for example ``2025-10-28T09:30:00.000Z``."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
