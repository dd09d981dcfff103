"""The bus's port: what servers of one installation tell each other, and what may be relied on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from chatws.bus.messages import Note, PresenceEntry


class RemotePresenceEntry(NamedTuple):
    """A user's presence on another server."""

    origin: str
    part: PresenceEntry


class BusStats:
    """What a bus has done since it was made; only the bus writes it."""

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
        """Whether notes cross now."""
        self.published = 0
        """Notes handed to the broker."""
        self.received = 0
        """Notes of other servers handed to the receiver."""
        self.dropped = 0
        """Notes that never reached the broker: too many, too old, too large, or the broker went away meanwhile."""
        self.malformed = 0
        """Arrivals that were no notes, and were thrown away."""
        self.reconnects = 0
        """How often the link came back."""
        self.queued = 0
        """Notes that wait for the broker now."""
        self.lag_ms = 0
        """Age of the last received note by the two servers' clocks, from 0 to a minute."""
        self.lag_total_ms = 0
        """Sum of these ages over all received notes."""


class BusListener(Protocol):
    """What a server does with what it hears; called in the event loop, must return at once and not raise."""

    def received(self, channel: str, origin: str, note: Note) -> None:
        """Another server published a note on a channel that is subscribed here."""

    def resumed(self) -> None:
        """The link is back with every subscription, or the lease of this server was lost and is renewed.

        Anything may have been missed, here and by the others, who may have taken this server for gone: compare with the
        database, publish the presence parts of one's own users again, and ask for those of the others.
        """

    def server_gone(self, origin: str) -> None:
        """Another server has closed its bus, or its lease has run out: what it contributed is void.

        Called at some time for every origin that a message or a `RemotePresenceEntry` has named and that went away.
        A server that was only out of touch may be heard of again.
        """


class Bus(Protocol):
    """One server's connection to the others.

    At most once: a note may be lost, never repeated, and is not kept for anybody who was not subscribed. While the link
    is up, notes of one origin on one channel arrive in the order they were published. A server never receives its own
    notes. So a note is a hint; the database is the truth, and whoever needs to be sure compares with it.
    """

    @property
    def origin(self) -> str:
        """This server's random id; another one for each process."""

    @property
    def stats(self) -> BusStats:
        """Live figures."""

    async def open(self, receiver: BusListener) -> None:
        """Start; returns after the first attempt to reach the broker, a few seconds at most, whatever came of it.

        Later the link is opened and renewed in the background, so a broker that is away is not an error.
        """

    async def close(self) -> None:
        """End; nothing is received after it returns.

        The others learn that this server is gone without waiting for its lease to run out.
        """

    def publish(self, channel: str, note: Note) -> None:
        """Have a note sent; never waits.

        Notes wait in a bounded queue. When it is full the oldest is dropped, and so is a note that the broker could not
        take for some seconds: by then the database has told.
        """

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Hear a channel; done when the broker has confirmed it, which may take as long as the broker is away.

        Subscribing twice is the same as once. Unsubscribing cancels what is still waited for.
        """

    def unsubscribe(self, channel: str) -> None:
        """Hear a channel no more."""

    def hold(self, part: PresenceEntry) -> None:
        """Keep a user's part where other servers can ask for it, for as long as this server lives; ``offline`` ends it.

        It replaces the user's part from before. It announces nothing: publish the same part after this call.
        """

    async def presence_of(self, user_ids: Iterable[str]) -> dict[str, list[RemotePresenceEntry]]:
        """Return the parts that other servers hold of these users; an empty list for each whom no one else has.

        Raises:
            Away: the broker can not be asked. It is known within two seconds; callers may give up earlier.
        """

    async def agents(self) -> list[RemotePresenceEntry]:
        """Return the parts that other servers hold of agents.

        Raises:
            Away: as above.
        """

    async def ping(self) -> bool:
        """Whether the broker answers; it is known within two seconds."""
