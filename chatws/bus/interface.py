"""Interface of the bus between the servers of one installation, and its guarantees."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from chatws.bus.messages import BusMessage, PresenceEntry


class RemotePresenceEntry(NamedTuple):
    """Presence of a user on another server."""

    origin: str
    entry: PresenceEntry


class BusStats:
    """Counters of a bus since its creation; only the bus writes them."""

    __slots__ = (
        "connected",
        "dropped",
        "lag_ms",
        "lag_total_ms",
        "malformed",
        "published",
        "queued",
        "received",
        "reconnects",
    )

    def __init__(self) -> None:
        self.connected = False
        """Whether the broker is connected now."""
        self.published = 0
        """Messages accepted by the broker."""
        self.received = 0
        """Messages of other servers passed to the listener."""
        self.dropped = 0
        """Messages that did not reach the broker: queue full, too old, too large, or connection lost."""
        self.malformed = 0
        """Received payloads that were not valid messages."""
        self.reconnects = 0
        self.queued = 0
        """Messages in the publish queue now."""
        self.lag_ms = 0
        """Age of the last received message by the clocks of both servers, between 0 and one minute."""
        self.lag_total_ms = 0
        """Sum of these ages over all received messages."""


class BusListener(Protocol):
    """Callbacks of a server, called in the event loop; they return at once and do not raise."""

    def received(self, channel: str, origin: str, message: BusMessage) -> None:
        """Handle a message that another server published on a subscribed channel."""

    def resumed(self) -> None:
        """Resynchronize after a reconnect, or after the lease of this server was lost and renewed.

        Messages may have been missed on both sides, and other servers may have treated this server as gone: compare
        with the database, publish the presence of the local users again, and query the presence on other servers.
        """

    def server_gone(self, origin: str) -> None:
        """Remove the state of another server, which has closed its bus or whose lease has expired.

        Called eventually for every origin of a message or a `RemotePresenceEntry` that is gone. A server that was only
        disconnected may send messages again later.
        """


class Bus(Protocol):
    """Connection of one server to the others.

    At-most-once delivery: a message may be lost, is never repeated, and is not stored for later subscribers. While the
    connection is up, messages of one origin on one channel arrive in the order of publishing. A server never receives
    its own messages. A message is therefore a hint; the database is authoritative, and reconciliation compares with it.
    """

    @property
    def origin(self) -> str:
        """Random id of this server, different for each process."""

    @property
    def stats(self) -> BusStats:
        """Live statistics."""

    @property
    def has_others(self) -> bool:
        """False if no other server can be connected now: a message published now would have no receiver."""

    async def open(self, listener: BusListener) -> None:
        """Start the bus; return after the first connection attempt, successful or not, within a few seconds.

        The bus reconnects in the background, so an unavailable broker is not an error.
        """

    async def close(self) -> None:
        """Close the bus; no message is received after it returns.

        The other servers are informed at once, without waiting for the lease to expire.
        """

    def publish(self, channel: str, message: BusMessage) -> None:
        """Queue a message without waiting.

        The queue is bounded: when it is full, the oldest message is dropped. A message that the broker cannot accept
        for some seconds is dropped too: by then the reconciliation with the database has replaced it.
        """

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Subscribe to a channel; the future resolves on confirmation by the broker, after an outage if necessary.

        Subscribing is idempotent. Unsubscribing cancels an unresolved future.
        """

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""

    def set_presence(self, entry: PresenceEntry) -> None:
        """Store a user's presence for queries of other servers until this server ends; ``offline`` removes it.

        It replaces the user's previous entry. It does not notify other servers: publish the entry after this call.
        """

    async def presence_of(self, user_ids: Iterable[str]) -> dict[str, list[RemotePresenceEntry]]:
        """Return the entries of these users on other servers; an empty list for a user without entries.

        Raises:
            BusUnavailable: the broker does not respond; raised within two seconds. Callers may time out earlier.
        """

    async def agents(self) -> list[RemotePresenceEntry]:
        """Return the entries of agents on other servers.

        Raises:
            BusUnavailable: as in ``presence_of``.
        """

    async def ping(self) -> bool:
        """Return within two seconds whether the broker responds."""
