"""The contract's bounds and timers, with their units."""

from __future__ import annotations

MAX_FRAME_BYTES = 64 * 1024
"""Largest WebSocket frame or polling body that is accepted; advertised as ``maxPayload``."""

MAX_CONTENT_CHARS = 4_000
MAX_CONTENT_BYTES = 16 * 1024
MAX_ID_CHARS = 64
MAX_TOKEN_BYTES = 8 * 1024
MAX_SEQ = 2**53 - 1
"""Largest integer that every JSON reader keeps exact."""

PAGE_MESSAGES = 300
PAGE_BYTES = 128 * 1024
"""A catch-up or history page ends at whichever of the two comes first."""

HISTORY_LIMIT = 100
HISTORY_DEFAULT = 50

TYPING_EXPIRE_MS = 3_000
TYPING_RESEND_MS = 2_000
PRESENCE_GRACE_MS = 5_000
POSITIONS_MS = 30_000
"""How often ``positions`` names the head of every joined conversation."""

ACK_DEADLINE_MS = 10_000
"""A request with an ack callback is answered within this time, unless the connection ends first."""

AUTHENTICATE_DEADLINE_MS = 10_000
TOKEN_EXPIRING_MS = 60_000
TOKEN_GRACE_MS = 25_000
INBOX_UPDATE_MS = 1_000
"""At most one ``conversation_updated`` for a conversation in this time."""

ASSIGNEE_OFFLINE_MS = 60_000
"""A conversation whose agent has been offline this long goes back to the queue."""

GAP_WAIT_MS = 50
"""How long a server waits for the bus before it reads a missing ``seq`` from the database."""

SWEEP_MS = 5_000
"""How often a server compares the heads of the conversations it hosts with the database."""
