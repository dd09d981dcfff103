"""Limits and timers of the protocol, with their units."""

from __future__ import annotations

MAX_FRAME_BYTES = 64 * 1024
"""Maximum size of a WebSocket frame or polling body; advertised as ``maxPayload``."""

MAX_CONTENT_CHARS = 4_000
MAX_CONTENT_BYTES = 16 * 1024
MAX_ID_CHARS = 64
MAX_TOKEN_BYTES = 8 * 1024
MAX_SEQ = 2**53 - 1
"""Largest integer that every JSON parser represents exactly."""

PAGE_MESSAGES = 300
PAGE_BYTES = 128 * 1024
"""Limits of a catch-up or history page; the first one reached ends it."""

HISTORY_LIMIT = 100
HISTORY_DEFAULT = 50

MAX_RECOVERED_CONVERSATIONS = 20
"""Joined conversations up to which a connection can be recovered; each adds about 40 bytes to every offset."""

MAX_RECOVERED_MESSAGES = 1_000
MAX_RECOVERED_BYTES = 512 * 1024
"""Limits of the missed messages that a recovery sends."""

MAX_PID_CHARS = 64
"""Length of a ``pid`` up to which a server recognises a client; those that it issues have about half of it."""

MAX_NOTES = 200
"""Number of notes of a conversation that ``list_notes`` returns, the newest."""

TYPING_EXPIRE_MS = 3_000
"""Time after the last ``typing_start`` at which typing ends."""

TYPING_RESEND_MS = 2_000
"""Interval at which clients repeat ``typing_start``."""

PRESENCE_GRACE_MS = 5_000
"""Time after the last connection closed at which the user becomes offline."""

POSITIONS_MS = 30_000
"""Interval of ``positions``, which contains the head of every joined conversation."""

ACK_DEADLINE_MS = 10_000
"""Time limit for the reply to a request with an ack callback, unless the connection ends first."""

AUTHENTICATE_DEADLINE_MS = 10_000
"""Time to authenticate after the transport is opened."""

TOKEN_EXPIRING_MS = 60_000
"""Time before the expiry of a token at which the client is warned."""

TOKEN_GRACE_MS = 25_000
"""Time after the expiry of a token at which its connection is closed."""

INBOX_UPDATE_MS = 1_000
"""Minimum interval between two ``conversation_updated`` of a conversation."""

ASSIGNEE_OFFLINE_MS = 60_000
"""Offline time of the assignee after which a conversation returns to the queue."""

MAX_CONNECTIONS_LISTED = 1_000
"""Maximum number of connections in a response to an operator."""

GAP_WAIT_MS = 50
"""Time for which a server waits for the bus before it reads a missing ``seq`` from the database."""

SWEEP_MS = 5_000
"""Interval of the reconciliation of hosted conversations with the database."""
