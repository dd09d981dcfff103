"""Membership of the cluster: known servers and the expiry of their leases, by the clock of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PEERS = 1_000


class _PeerLease:
    """Lease of another server, in Unix milliseconds.

    The server counts as gone at ``expires_ms``. Until ``grace_ends_ms`` an expired lease in Redis is ignored.
    """

    __slots__ = ("expires_ms", "grace_ends_ms")

    def __init__(self, expires_ms: int) -> None:
        self.expires_ms = expires_ms
        self.grace_ends_ms = expires_ms


class Membership:
    """Known origins and their leases; performs no I/O, the caller passes the time of Redis."""

    def __init__(self, own_origin: str, lease_ms: int) -> None:
        self._own_origin = own_origin
        self._lease_ms = lease_ms
        self._leases: dict[str, _PeerLease] = {}
        self._new: set[str] = set()
        """Origins seen since the last update; the next update grants each a full lease."""

    def add(self, origin: str) -> None:
        """Record an origin seen in a message or a presence entry."""
        if origin not in self._leases and len(self._new) < MAX_PEERS:
            self._new.add(origin)

    def grant_grace(self, now_ms: int) -> None:
        """Grant every known server a full lease, so that it can renew its own after an outage of Redis."""
        for origin in self._leases:
            self._leases[origin] = _PeerLease(now_ms + self._lease_ms)

    def update(self, found: Mapping[str, int], now_ms: int) -> list[str]:
        """Apply the leases found in Redis, and return the servers that are gone now.

        A lease that has expired in Redis ends the membership, except during the grace. A lease missing in Redis, for
        example because Redis was emptied, is valid until it would have expired.
        """
        for origin in self._new:
            self._leases.setdefault(origin, _PeerLease(now_ms + self._lease_ms))
        self._new.clear()
        for origin, expires_ms in found.items():
            self._apply(origin, expires_ms, now_ms)
        gone = [origin for origin, lease in self._leases.items() if lease.expires_ms <= now_ms]
        for origin in gone:
            del self._leases[origin]
        return gone

    def _apply(self, origin: str, expires_ms: int, now_ms: int) -> None:
        lease = self._leases.get(origin)
        if expires_ms > now_ms:
            if lease is None and origin != self._own_origin and len(self._leases) < MAX_PEERS:
                lease = self._leases[origin] = _PeerLease(expires_ms)
            if lease is not None:
                lease.expires_ms, lease.grace_ends_ms = expires_ms, now_ms
        elif lease is not None:
            lease.expires_ms = lease.grace_ends_ms
