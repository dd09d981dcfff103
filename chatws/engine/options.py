"""Options of an engine server, and its counters."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

TransportName = Literal["websocket", "polling"]
Origins = frozenset[str] | Literal["*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Options of a ``Server``; a limit of 0 is disabled, except for timeouts and ``max_payload_bytes``."""

    path: str = "/socket.io/"
    transports: tuple[TransportName, ...] = ("websocket", "polling")

    ping_interval_s: float = 25.0
    ping_timeout_s: float = 20.0
    admission_timeout_s: float = 10.0
    """Time from the opening of a session until one of its sockets must be admitted."""
    upgrade_timeout_s: float = 10.0
    body_timeout_s: float = 15.0
    """Time to receive the body of a polling POST; after it the request is refused and the session closed."""
    linger_s: float = 1.0
    """Close timeout of a WebSocket: the time to deliver its last bytes before the connection is aborted."""
    polling_linger_s: float = 5.0
    """Time for which a closed polling session keeps its last packets for the next poll."""

    max_payload_bytes: int = 64 * 1024
    """Largest WebSocket message and polling body accepted; advertised as ``maxPayload``."""
    max_json_depth: int = 32
    max_json_values: int = 1_000
    """Limits on the JSON of one packet; beyond them it is a protocol error, see ``wire.json_limits``."""
    max_outbox_bytes: int = 256 * 1024
    """Write buffer limit: a write disconnects the client if the buffer is above it already, or reaches twice the limit.

    Large acks do not count: the client requested them, and its next packets are handled only after their delivery.
    """
    write_stall_s: float = 10.0
    """Write timeout: a connection that takes no byte for this long while bytes wait is aborted."""
    send_buffer_bytes: int = 128 * 1024
    """SO_SNDBUF of accepted WebSocket connections; 0 keeps the system's default."""

    allow_binary: bool = False
    max_attachments: int = 10
    attachments_timeout_s: float = 10.0

    allowed_origins: Origins = frozenset()
    """Exact origins allowed besides the server's own, such as ``https://shop.example``; ``"*"`` allows all."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose ``X-Forwarded-*`` headers are trusted."""

    max_sessions: int = 20_000
    max_sessions_per_address: int = 1_000
    max_unadmitted: int = 1_000
    new_sessions_per_s: int = 1_000
    new_sessions_per_address_per_s: int = 500


@dataclass(slots=True)
class EngineStats:
    """Counters since the server was created, read by a metrics collector; gauges are properties of the server."""

    opened_total: Counter[str] = field(default_factory=Counter)
    """Sessions by their first transport."""
    closed_total: Counter[str] = field(default_factory=Counter)
    """Sessions by ``DisconnectReason``."""
    refused_total: Counter[str] = field(default_factory=Counter)
    """Refused handshakes by reason."""
    protocol_errors: Counter[str] = field(default_factory=Counter)
    """Protocol errors by ``wire.errors.ViolationKind``."""
    handler_errors: int = 0
    upgrades: int = 0
    slow_closed: int = 0
    packets_in: int = 0
    packets_out: int = 0
    """Packets and control frames that were passed to the kernel or taken by a poll."""
    bytes_in: int = 0
    """Payload bytes (text counts characters) of WebSocket messages and polling packets."""
    bytes_out: int = 0
    """Bytes of WebSocket frames, including those that a poll delivers."""
