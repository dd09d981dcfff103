"""Values of Socket.IO's connection state recovery: a client's positions (``offset``), and the user (``pid``)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable

from chatws.protocol.limits import MAX_PID_CHARS, MAX_RECOVERED_CONVERSATIONS, MAX_SEQ

NO_RECOVERY = "-"
"""Offset of a connection that cannot be recovered; it replaces an earlier one in the client."""

_POSITION = re.compile(r"([A-Za-z0-9_-]{1,64}):(0|[1-9][0-9]{0,15})", re.ASCII)
_MAX_CHARS = MAX_RECOVERED_CONVERSATIONS * (64 + 1 + 16 + 1)


def encode_offset(positions: Iterable[tuple[str, int]]) -> str:
    """Return the offset of a client that has received each of these conversations up to the given ``seq``."""
    parts = [f"{conversation_id}:{seq}" for conversation_id, seq in positions]
    return ",".join(parts) if len(parts) <= MAX_RECOVERED_CONVERSATIONS else NO_RECOVERY


def decode_offset(offset: str) -> dict[str, int] | None:
    """Return the positions in an offset, which a client may have changed; None if they cannot be recovered."""
    if len(offset) > _MAX_CHARS:
        return None
    positions: dict[str, int] = {}
    for part in offset.split(",") if offset else ():
        match = _POSITION.fullmatch(part)
        if match is None or match[1] in positions or int(match[2]) > MAX_SEQ:
            return None
        positions[match[1]] = int(match[2])
    return positions if len(positions) <= MAX_RECOVERED_CONVERSATIONS else None


def new_pid(epoch: str, user_id: str) -> str:
    """Return a new ``pid`` for a connection of the user."""
    return f"{secrets.token_urlsafe(12)}.{_digest(epoch, user_id)}"


def is_pid_of(pid: str, epoch: str, user_id: str) -> bool:
    """Return whether a ``pid`` was issued to this user, by a server of this database since its last restore."""
    return len(pid) <= MAX_PID_CHARS and pid.rpartition(".")[2] == _digest(epoch, user_id)


def _digest(epoch: str, user_id: str) -> str:
    digest = hashlib.blake2b(f"{epoch} {user_id}".encode(), digest_size=12).digest()
    return base64.urlsafe_b64encode(digest).decode()
