"""Limits of connections: of their number, in total and per address, and of the times of their requests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from chatws.engine.origin import TrustedProxies, block_of


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """Limits; a number or a time of 0 means that there is none."""

    max_connections: int
    max_per_address: int
    max_descriptors: int
    """File descriptors for all connections, WebSockets included; the others are for the database, the log, the bot."""
    request_timeout_s: float
    """Time for a TLS handshake, for the head of a request, and for its body."""
    keepalive_timeout_s: float
    """Time that a connection stays open without a request."""
    trusted_proxies: TrustedProxies = TrustedProxies()  # noqa: RUF009  it is frozen
    """Addresses without a limit of their own: many clients share them."""


class ConnectionCounts:
    """Number of open connections, in total and by address; an IPv6 address counts with its /64."""

    def __init__(self, limits: ListenerLimits) -> None:
        self.total = 0
        self._limits = limits
        self._by_address: Counter[str] = Counter()

    @property
    def is_full(self) -> bool:
        """Whether the total reached its limit."""
        return 0 < self._limits.max_connections <= self.total

    def is_address_full(self, address: str) -> bool:
        """Return whether an address reached its limit."""
        maximum = self._limits.max_per_address
        return 0 < maximum <= self._by_address[block_of(address)] and address not in self._limits.trusted_proxies

    def add(self, address: str) -> None:
        """Count a connection."""
        self.total += 1
        self._by_address[block_of(address)] += 1

    def remove(self, address: str) -> None:
        """Stop counting a connection."""
        self.total -= 1
        block = block_of(address)
        self._by_address[block] -= 1
        if not self._by_address[block]:
            del self._by_address[block]
