"""Table of the connections that are not WebSockets: their number, and the time of those that owe a request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from chatws.server.tcp.connection import HttpConnection
from chatws.server.tcp.deadlines import DeadlineQueue
from chatws.server.tcp.limits import ConnectionCounts, ListenerLimits
from chatws.server.tcp.stats import CloseReason, ListenerStats


class PendingConnection(Protocol):
    """Accepted connection whose TLS handshake is not complete."""

    @property
    def address(self) -> str:
        """Address of the client."""

    def abort(self) -> None:
        """Close the connection."""


class ConnectionTable:
    """Connections from their acceptance until they are closed or become WebSockets; observes each `HttpConnection`.

    When there is no room, the connection that has waited longest for a handshake, a head or the next request is closed:
    a client that sends its request at once is served however many others send nothing.
    """

    def __init__(self, limits: ListenerLimits, stats: ListenerStats, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._stats = stats
        self._clock = clock
        self._counts = ConnectionCounts(limits)
        self._pending: DeadlineQueue[PendingConnection] = DeadlineQueue(limits.request_timeout_s)
        self._heads: DeadlineQueue[HttpConnection] = DeadlineQueue(limits.request_timeout_s)
        self._bodies: DeadlineQueue[HttpConnection] = DeadlineQueue(limits.request_timeout_s)
        # Open connections whose last head is complete; those found idle by `sweep` move to `_idle`.
        self._busy: dict[HttpConnection, None] = {}
        self._idle: OrderedDict[HttpConnection, None] = OrderedDict()

    @property
    def total(self) -> int:
        """Number of connections."""
        return self._counts.total

    @property
    def is_full(self) -> bool:
        """Whether the number of connections reached its limit."""
        return self._counts.is_full

    def is_address_full(self, address: str) -> bool:
        """Return whether the connections of an address reached their limit."""
        return self._counts.is_address_full(address)

    def accepted(self, connection: PendingConnection) -> None:
        """Add a connection, and start the time of its handshake."""
        self._counts.add(connection.address)
        self._pending.add(connection, self._clock())
        self._stats.open = self._counts.total

    def handshake_ended(self, connection: PendingConnection, *, is_open: bool) -> None:
        """Stop the time of the handshake; a failed one removes the connection."""
        self._pending.discard(connection)
        if not is_open:
            self._remove(connection.address)

    def evict(self) -> bool:
        """Close the connection that has waited longest; return False if none waits.

        It leaves its queue at once, so that the next call closes another one; it counts until it is closed.
        """
        if self._pending.oldest_since_s < self._heads.oldest_since_s:
            pending = self._pending.take_oldest()
            assert pending is not None
            self._stats.count(CloseReason.EVICTED, pending.address)
            pending.abort()
            return True
        waiting = self._heads.take_oldest() or self._take_oldest_idle()
        if waiting is None:
            return False
        self._stats.count(CloseReason.EVICTED, waiting.address)
        waiting.force_close()
        return True

    def sweep(self, limit: int) -> bool:
        """Close at most ``limit`` connections whose time is over; return whether there may be more of them."""
        now_s = self._clock()
        closed = 0
        for pending in islice(self._pending.take_expired(now_s), limit):
            closed += 1
            self._stats.count(CloseReason.TLS, pending.address)
            pending.abort()
        for connection in islice(self._heads.take_expired(now_s), limit - closed):
            closed += 1
            self._stats.count(CloseReason.HEAD, connection.address)
            connection.expire_head()
        for connection in islice(self._bodies.take_expired(now_s), limit - closed):
            closed += 1
            self._stats.count(CloseReason.BODY, connection.address)
            connection.expire_body()
        if closed == limit:
            return True
        for connection in [connection for connection in self._busy if connection.is_idle]:
            del self._busy[connection]
            self._idle[connection] = None
        return False

    # HttpConnectionObserver

    def opened(self, connection: HttpConnection) -> None:
        self._heads.add(connection, self._clock())

    def ended(self, connection: HttpConnection) -> None:
        self._heads.discard(connection)
        self._bodies.discard(connection)
        self._busy.pop(connection, None)
        self._idle.pop(connection, None)
        self._remove(connection.address)

    def head_begun(self, connection: HttpConnection) -> None:
        self._idle.pop(connection, None)
        self._heads.add(connection, self._clock())

    def head_received(self, connection: HttpConnection, *, has_body: bool) -> None:
        self._heads.discard(connection)
        self._idle.pop(connection, None)
        self._busy[connection] = None
        if has_body:
            self._bodies.add(connection, self._clock())

    def body_received(self, connection: HttpConnection) -> None:
        self._bodies.discard(connection)

    def _take_oldest_idle(self) -> HttpConnection | None:
        oldest = next(iter(self._idle), None)
        if oldest is not None:
            del self._idle[oldest]
        return oldest

    def _remove(self, address: str) -> None:
        self._counts.remove(address)
        self._stats.open = self._counts.total
