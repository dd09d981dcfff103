"""Identifiers and times: time-ordered ids, unguessable ids, Unix milliseconds, and RFC 3339 timestamps."""

from __future__ import annotations

import random
import secrets
import time
from datetime import UTC, datetime

_random = random.Random(secrets.randbits(128))


def new_id(now_ms: int) -> str:
    """Return a UUID version 7 (RFC 9562) for a Unix time in milliseconds; ids sort by time.

    The random part is unique, not secret: the generator of the operating system would cost a system call per id.
    """
    hex_time, noise = f"{now_ms & (2**48 - 1):012x}", _random.getrandbits(74)
    version, variant = 0x7000 | noise >> 62, 0x8000 | (noise >> 48) & 0x3FFF
    return f"{hex_time[:8]}-{hex_time[8:]}-{version:04x}-{variant:04x}-{noise & (2**48 - 1):012x}"


def new_secret_id() -> str:
    """Return an unguessable id of 192 random bits, in the alphabet of ids."""
    return secrets.token_urlsafe(24)


def now_unix_ms() -> int:
    """Return the current time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def format_timestamp(unix_ms: int) -> str:
    """Format a Unix time in milliseconds as RFC 3339 in UTC, for example ``2025-10-28T09:30:00.000Z``."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
