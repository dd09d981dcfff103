"""Settings of a server; 0 switches off a limit, but neither a time to wait nor the largest payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transport = Literal["websocket", "polling"]
Origins = frozenset[str] | Literal["*"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Everything a ``Server`` can be told; the defaults are those of the contract."""

    path: str = "/socket.io/"
    transports: tuple[Transport, ...] = ("websocket", "polling")

    ping_interval_s: float = 25.0
    ping_timeout_s: float = 20.0
    admission_timeout_s: float = 10.0
    """From the opening of the transport until a socket of it must be admitted."""
    upgrade_timeout_s: float = 10.0
    body_timeout_s: float = 15.0
    """A polling POST whose body is not complete by then is refused and its session closed."""
    linger_s: float = 1.0
    """How long a closed WebSocket may still take its last bytes before it is aborted."""
    polling_linger_s: float = 5.0
    """How long a closed polling session keeps its last packets for the next poll."""

    max_payload_bytes: int = 64 * 1024
    """Largest WebSocket message and polling body that is accepted; advertised as ``maxPayload``."""
    max_json_depth: int = 32
    max_json_values: int = 1_000
    """How deep and how wide the JSON of one packet may be; more is a breach of the protocol, see ``wire.shape``."""
    max_outbox_bytes: int = 256 * 1024
    """When more than this waits for a client and something is added, or twice this after it, the client is cut off.

    Large acks do not count: the client asked for them, and is served no further until it took them.
    """
    write_stall_s: float = 10.0
    """A connection that takes no byte for so long while bytes wait is aborted."""
    send_buffer_bytes: int = 128 * 1024
    """SO_SNDBUF of accepted WebSocket connections; 0 leaves what the system gives."""

    allow_binary: bool = False
    max_attachments: int = 10
    attachments_timeout_s: float = 10.0

    allowed_origins: Origins = frozenset()
    """Exact origins besides our own, such as ``https://shop.example``; ``"*"`` allows all."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks whose ``X-Forwarded-*`` headers are believed."""

    max_sessions: int = 20_000
    max_sessions_per_address: int = 1_000
    max_unadmitted: int = 1_000
    new_sessions_per_s: int = 1_000
    new_sessions_per_address_per_s: int = 500
