"""In-memory bus for one process: without other servers by default, or with several servers through a hub."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chatws.bus.errors import BusUnavailable
from chatws.bus.interface import BusListener, BusStats, RemotePresenceEntry
from chatws.protocol.ids import new_id, now_unix_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.bus.messages import BusMessage, PresenceEntry

DISCONNECTED = "disconnected from the hub"


class MemoryHub:
    """Hub that connects the buses of servers in one event loop."""

    def __init__(self) -> None:
        self._members: dict[str, MemoryBus] = {}
        self.has_others = False
        """Whether there are several members."""

    def bus(self) -> MemoryBus:
        """Create a bus that joins the hub when it is opened."""
        return MemoryBus(self)

    def join(self, member: MemoryBus) -> None:
        """Add a member."""
        self._members[member.origin] = member
        self.has_others = len(self._members) > 1

    def leave(self, member: MemoryBus) -> None:
        """Remove a member, and inform the others that its server is gone."""
        if self._members.pop(member.origin, None) is not None:
            self.has_others = len(self._members) > 1
            for other in self._members.values():
                other.receive_server_gone(member.origin)

    def publish(self, sender: MemoryBus, channel: str, message: BusMessage) -> None:
        """Pass a message to every other member."""
        for other in self._members.values():
            if other is not sender:
                other.receive(channel, sender.origin, message)

    def others(self, member: MemoryBus) -> list[MemoryBus]:
        """Return every other member.

        Raises:
            BusUnavailable: ``member`` has not joined.
        """
        if member.origin not in self._members:
            raise BusUnavailable(DISCONNECTED)
        return [other for other in self._members.values() if other is not member]


class MemoryBus:
    """Bus of one server; by default with its own hub, without other servers."""

    def __init__(self, hub: MemoryHub | None = None) -> None:
        self._hub = hub or MemoryHub()
        self._origin = new_id(now_unix_ms())
        self._stats = BusStats()
        self._listener: BusListener | None = None
        """Set between open and close."""
        self._channels: set[str] = set()
        self._entries: dict[str, PresenceEntry] = {}

    @property
    def origin(self) -> str:
        """Random id of this server."""
        return self._origin

    @property
    def stats(self) -> BusStats:
        """Live statistics."""
        return self._stats

    @property
    def has_others(self) -> bool:
        """False without another member."""
        return self._hub.has_others

    async def open(self, listener: BusListener) -> None:
        """Join the hub."""
        self._listener = listener
        self._stats.connected = True
        self._hub.join(self)

    async def close(self) -> None:
        """Leave the hub permanently."""
        self.disconnect()
        self._listener = None

    def disconnect(self) -> None:
        """Simulate an outage: no messages cross, and the other servers treat this one as gone."""
        self._stats.connected = False
        self._hub.leave(self)

    def reconnect(self) -> None:
        """End the outage of ``disconnect``."""
        self._hub.join(self)
        self._stats.connected = True
        self._stats.reconnects += 1
        self._notify_later(lambda listener: listener.resumed())

    def publish(self, channel: str, message: BusMessage) -> None:
        """Pass a message to the other members; they receive it in a later event loop iteration."""
        if self._stats.connected:
            self._stats.published += 1
            self._hub.publish(self, channel, message)
        else:
            self._stats.dropped += 1

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Subscribe to a channel; the returned future is resolved."""
        self._channels.add(channel)
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        self._channels.discard(channel)

    def set_presence(self, entry: PresenceEntry) -> None:
        """Store a user's entry; ``offline`` removes it."""
        if entry.status == "offline":
            self._entries.pop(entry.user.user_id, None)
        else:
            self._entries[entry.user.user_id] = entry

    async def presence_of(self, user_ids: Iterable[str]) -> dict[str, list[RemotePresenceEntry]]:
        """Return the entries of these users at every other member."""
        others = self._hub.others(self)
        return {
            user_id: [
                RemotePresenceEntry(other.origin, entry)
                for other in others
                if (entry := other.entry_of(user_id)) is not None
            ]
            for user_id in user_ids
        }

    async def agents(self) -> list[RemotePresenceEntry]:
        """Return the entries of agents at every other member."""
        return [
            RemotePresenceEntry(other.origin, entry)
            for other in self._hub.others(self)
            for entry in other.entries()
            if entry.user.role == "admin"
        ]

    async def ping(self) -> bool:
        """Return whether the bus is connected."""
        return self._stats.connected

    def entry_of(self, user_id: str) -> PresenceEntry | None:
        """Return the user's entry on this server."""
        return self._entries.get(user_id)

    def entries(self) -> list[PresenceEntry]:
        """Return all entries of this server."""
        return list(self._entries.values())

    def receive(self, channel: str, origin: str, message: BusMessage) -> None:
        """Handle a message of another member; called by the hub."""
        if channel in self._channels:
            self._notify_later(lambda listener: self._deliver(listener, channel, origin, message))

    def receive_server_gone(self, origin: str) -> None:
        """Handle the end of another member; called by the hub."""
        self._notify_later(lambda listener: listener.server_gone(origin))

    def _deliver(self, listener: BusListener, channel: str, origin: str, message: BusMessage) -> None:
        if channel in self._channels:  # it may have been unsubscribed since the message was sent
            self._stats.received += 1
            listener.received(channel, origin, message)

    def _notify_later(self, call: Callable[[BusListener], None]) -> None:
        asyncio.get_running_loop().call_soon(self._notify, call)

    def _notify(self, call: Callable[[BusListener], None]) -> None:
        if self._listener is not None:
            call(self._listener)
