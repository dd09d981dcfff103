"""Options of a client."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Transport = Literal["websocket", "polling"]


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """Options of a client; the defaults are those of the contract."""

    ca_file: Path | None = None
    """CA certificates to trust instead of the system's."""
    transports: tuple[Transport, ...] = ("websocket", "polling")
    """Tried in this order; polling upgrades to WebSocket when both are allowed."""
    connect_timeout_s: float = 10.0
    """From the first packet to ``authenticated``."""
    max_attempts: int | None = None
    """Failed attempts after which the client gives up (5 in the guide); None: never."""
    retry_first_connect: bool = False
    """Retry when the first attempt fails, instead of raising `CannotConnect`."""
    max_outbox: int = 1_000
    """Limit of queued messages, and of other queued requests; more raise `OutboxFull`."""
    max_backlog: int = 10_000
    """Limit of events queued for callbacks; beyond it the client disconnects until half of them have run."""
    user_agent: str = "chatws-client"

    def ssl_context(self) -> ssl.SSLContext | None:
        """Create the TLS context; None for the library's defaults.

        Raises:
            OSError: ``ca_file`` cannot be read, or contains no certificate.
        """
        return None if self.ca_file is None else ssl.create_default_context(cafile=str(self.ca_file))
