"""The other servers that have been heard of, and when each of their leases runs out, by the clock of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PEERS = 1_000


class _Lease:
    """When a server counts as gone, and until when an older lease of it in Redis proves nothing; Unix milliseconds."""

    __slots__ = ("spared_until", "until")

    def __init__(self, until_ms: int) -> None:
        self.until = until_ms
        self.spared_until = until_ms


class Membership:
    """Known origins and their leases; the time of Redis is the caller's fact; without I/O."""

    def __init__(self, own: str, lease_ms: int) -> None:
        self._own = own
        self._lease_ms = lease_ms
        self._leases: dict[str, _Lease] = {}
        self._new: set[str] = set()
        """Heard of since the last look; they are spared for a lease from that look on."""

    def heard(self, origin: str) -> None:
        """A note or a part named a server."""
        if origin not in self._leases and len(self._new) < MAX_PEERS:
            self._new.add(origin)

    def spare(self, now_ms: int) -> None:
        """Redis is back, perhaps empty, perhaps with old leases: give everyone time to write its own again."""
        for origin in self._leases:
            self._leases[origin] = _Lease(now_ms + self._lease_ms)

    def look(self, found: Mapping[str, int], now_ms: int) -> list[str]:
        """Take in the leases that Redis has, and return the servers that are gone now.

        One that has run out in Redis is over, unless its server is spared. One that Redis has forgotten, because it was
        emptied, holds until it would have run out.
        """
        for origin in self._new:
            self._leases.setdefault(origin, _Lease(now_ms + self._lease_ms))
        self._new.clear()
        for origin, until_ms in found.items():
            self._take_in(origin, until_ms, now_ms)
        gone = [origin for origin, lease in self._leases.items() if lease.until <= now_ms]
        for origin in gone:
            del self._leases[origin]
        return gone

    def _take_in(self, origin: str, until_ms: int, now_ms: int) -> None:
        lease = self._leases.get(origin)
        if until_ms > now_ms:
            if lease is None and origin != self._own and len(self._leases) < MAX_PEERS:
                lease = self._leases[origin] = _Lease(until_ms)
            if lease is not None:
                lease.until, lease.spared_until = until_ms, now_ms
        elif lease is not None:
            lease.until = lease.spared_until
