"""Choice of the Engine.IO transport of a client."""

from __future__ import annotations

from enum import StrEnum


class TransportChoice(StrEnum):
    """Transport of a client; ``MIX`` describes several clients and is resolved for each by `of_client`."""

    WEBSOCKET = "websocket"
    POLLING = "polling"
    UPGRADE = "upgrade"
    """Long-polling first, then an upgrade to WebSocket, as the official clients do."""
    MIX = "mix"

    def of_client(self, index: int) -> TransportChoice:
        """Return the transport of the client with this index: ``MIX`` divides clients evenly, in a fixed order."""
        return SINGLE[index % len(SINGLE)] if self is TransportChoice.MIX else self


SINGLE = (TransportChoice.WEBSOCKET, TransportChoice.POLLING, TransportChoice.UPGRADE)
"""Transports of a single client, in the order in which ``MIX`` assigns them."""
