"""Records of the tap's output: one for each packet that matters, each flag and each injected fault."""

from __future__ import annotations

from typing import Literal

import msgspec

RecordType = Literal["open", "upgrade", "close", "out", "in", "ack", "client_ack", "http", "flag", "rule", "mark"]

FLAGS = {
    "ack_late": "an ack takes longer than --ack-late",
    "ack_never": "no ack arrived within --ack-never, or before the connection ended",
    "delivery_without_send": "a message was delivered that no client has sent through the tap",
    "hole": "the number of a message skips others",
    "duplicate": "a connection received a message twice, or a repeated message was stored twice",
    "disorder": "a message arrived behind one with a higher number",
    "before_join": "a client sent an event of a room that this connection has not joined",
    "reconnect_storm": "many connections at once, or one user connects again and again",
    "unreadable": "a packet violates the protocol",
    "skipped": "the analysis could not keep up, and left frames out",
}
"""Flags, with their meanings."""


class TapRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line of the output; fields that do not apply are left out.

    Rooms, users, messages and client message ids are pseudonyms such as ``r1`` unless contents are shown.
    """

    t: float
    """Seconds since the start of the tap."""
    type: RecordType
    c: int = 0
    """Number of the connection, from 1."""
    user: str = ""
    role: str = ""
    transport: str = ""
    event: str = ""
    ack: int | None = None
    """Id of the requested ack, or of the ack itself."""
    room: str = ""
    message: str = ""
    key: str = ""
    seq: int | None = None
    size: int = 0
    """Bytes of the packet."""
    chars: int = 0
    """Characters of a sent message's text."""
    sender: str = ""
    """User that has sent a delivered message."""
    messages: tuple[str, ...] = ()
    """Messages in the ack of a join or of a page of the history."""
    ms: float | None = None
    """Milliseconds since the event that an ack or a delivery belongs to, or since an HTTP request."""
    ok: bool | None = None
    error: str = ""
    by: str = ""
    code: int = 0
    """Close code of a WebSocket, or status of HTTP."""
    reason: str = ""
    flag: str = ""
    detail: str = ""
    rule: str = ""
    content: str = ""
    """Arguments of an event or values of an ack, with ``--with-content``."""
