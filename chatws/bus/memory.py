"""The bus inside one process: alone it has nobody to talk to, through a hub several servers talk to each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chatws.bus.errors import BusUnavailable
from chatws.bus.interface import BusListener, BusStats, RemotePresenceEntry
from chatws.protocol.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.bus.messages import Note, PresenceEntry

CUT = "this server is cut off from the hub"


class MemoryHub:
    """Joins the buses of servers that run in one event loop."""

    def __init__(self) -> None:
        self._members: dict[str, MemoryBus] = {}

    def bus(self) -> MemoryBus:
        """Make a bus that takes part as soon as it is opened."""
        return MemoryBus(self)

    def enter(self, member: MemoryBus) -> None:
        """Let a member take part."""
        self._members[member.origin] = member

    def leave(self, member: MemoryBus) -> None:
        """Take a member out; the others learn that its server is gone."""
        if self._members.pop(member.origin, None) is not None:
            for other in self._members.values():
                other.hear_gone(member.origin)

    def carry(self, sender: MemoryBus, channel: str, note: Note) -> None:
        """Hand a note to every other member that has subscribed to the channel."""
        for other in self._members.values():
            if other is not sender:
                other.hear(channel, sender.origin, note)

    def others(self, asking: MemoryBus) -> list[MemoryBus]:
        """Return every member but one.

        Raises:
            Away: that one is no member.
        """
        if asking.origin not in self._members:
            raise BusUnavailable(CUT)
        return [member for member in self._members.values() if member is not asking]


class MemoryBus:
    """One server's place at a hub; its own hub by default, where it is alone."""

    def __init__(self, hub: MemoryHub | None = None) -> None:
        self._hub = hub or MemoryHub()
        self._origin = new_id(time.time_ns() // 1_000_000)
        self._stats = BusStats()
        self._receiver: BusListener | None = None
        """Set between open and close."""
        self._channels: set[str] = set()
        self._parts: dict[str, PresenceEntry] = {}

    @property
    def origin(self) -> str:
        """The server's id."""
        return self._origin

    @property
    def stats(self) -> BusStats:
        """Live figures."""
        return self._stats

    async def open(self, receiver: BusListener) -> None:
        """Take part."""
        self._receiver = receiver
        self._stats.connected = True
        self._hub.enter(self)

    async def close(self) -> None:
        """Leave for good."""
        self.cut()
        self._receiver = None

    def cut(self) -> None:
        """Lose the link: nothing crosses, and the others take this server for gone."""
        self._stats.connected = False
        self._hub.leave(self)

    def restore(self) -> None:
        """Have the link again after ``cut``."""
        self._hub.enter(self)
        self._stats.connected = True
        self._stats.reconnects += 1
        self._later(lambda receiver: receiver.resumed())

    def publish(self, channel: str, note: Note) -> None:
        """Hand a note to the other members; they receive it in a later turn of the event loop."""
        if self._stats.connected:
            self._stats.published += 1
            self._hub.carry(self, channel, note)
        else:
            self._stats.dropped += 1

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Hear a channel from now on."""
        self._channels.add(channel)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def unsubscribe(self, channel: str) -> None:
        """Hear a channel no more."""
        self._channels.discard(channel)

    def hold(self, part: PresenceEntry) -> None:
        """Keep a user's part, or forget it."""
        if part.status == "offline":
            self._parts.pop(part.user.user_id, None)
        else:
            self._parts[part.user.user_id] = part

    async def presence_of(self, user_ids: Iterable[str]) -> dict[str, list[RemotePresenceEntry]]:
        """Look the parts up at every other member."""
        others = self._hub.others(self)
        return {
            user_id: [
                RemotePresenceEntry(other.origin, part)
                for other in others
                if (part := other.part_of(user_id)) is not None
            ]
            for user_id in user_ids
        }

    async def agents(self) -> list[RemotePresenceEntry]:
        """Return the agents' parts at every other member."""
        return [
            RemotePresenceEntry(other.origin, part)
            for other in self._hub.others(self)
            for part in other.parts()
            if part.user.role == "admin"
        ]

    async def ping(self) -> bool:
        """Whether the link is there."""
        return self._stats.connected

    def part_of(self, user_id: str) -> PresenceEntry | None:
        """Return what this server holds of a user."""
        return self._parts.get(user_id)

    def parts(self) -> list[PresenceEntry]:
        """Return everything this server holds."""
        return list(self._parts.values())

    def hear(self, channel: str, origin: str, note: Note) -> None:
        """Another member published a note."""
        if channel in self._channels:
            self._later(lambda receiver: self._receive(receiver, channel, origin, note))

    def hear_gone(self, origin: str) -> None:
        """Another member left."""
        self._later(lambda receiver: receiver.server_gone(origin))

    def _receive(self, receiver: BusListener, channel: str, origin: str, note: Note) -> None:
        if channel in self._channels:  # it may have been unsubscribed in the turn since
            self._stats.received += 1
            receiver.received(channel, origin, note)

    def _later(self, tell: Callable[[BusListener], None]) -> None:
        asyncio.get_running_loop().call_soon(self._tell, tell)

    def _tell(self, tell: Callable[[BusListener], None]) -> None:
        if self._receiver is not None:
            tell(self._receiver)
