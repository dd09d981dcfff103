"""What a user of the SDK may choose."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Transport = Literal["websocket", "polling"]


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Defaults are the contract's."""

    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    transports: tuple[Transport, ...] = ("websocket", "polling")
    """Tried in this order; polling upgrades to WebSocket when both are allowed."""
    connect_timeout_s: float = 10.0
    """From the first packet to ``authenticated``."""
    max_attempts: int | None = None
    """Attempts after which reconnecting is given up (the guide's 5); None: never."""
    retry_first_connect: bool = False
    """Keep trying when the very first attempt finds nobody, instead of raising `CannotConnect`."""
    max_outbox: int = 1_000
    """Messages, and likewise other requests, that may wait; more raise `OutboxFull`."""
    max_backlog: int = 10_000
    """Events waiting for callbacks; beyond it the link is dropped and history repairs it once they are through."""
    user_agent: str = "chatws-client"

    def ssl_context(self) -> ssl.SSLContext | None:
        """Make the TLS settings; None for the library's defaults.

        Raises:
            OSError: ``ca_file`` cannot be read, or holds no certificate.
        """
        return None if self.ca_file is None else ssl.create_default_context(cafile=str(self.ca_file))
