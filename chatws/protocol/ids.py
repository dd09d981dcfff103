"""Identifiers and timestamps: time-ordered ids for rows, unguessable ids for sessions, RFC 3339 for people."""

from __future__ import annotations

import os
import secrets
import uuid
from datetime import UTC, datetime


def new_id(now_ms: int) -> str:
    """Make a UUID version 7 (RFC 9562) from a Unix time in milliseconds: ids sort by the time they were made."""
    value = (now_ms & (2**48 - 1)) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))


def new_secret_id() -> str:
    """Make an unguessable id of 192 random bits, in the alphabet of ids."""
    return secrets.token_urlsafe(24)


def format_timestamp(unix_ms: int) -> str:
    """Write a Unix time in milliseconds as RFC 3339 in UTC, for example ``2025-10-28T09:30:00.000Z``."""
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{unix_ms % 1000:03d}Z"
