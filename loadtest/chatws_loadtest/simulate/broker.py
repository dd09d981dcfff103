"""Broker of the simulated bus: leases, presence entries, and faults of notifications."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from chatws.bus import BusMessage, HostingBegan, PresenceEntry
from chatws_loadtest.rng import UserRng
from chatws_loadtest.simulate.trace import SimulationTrace
from chatws_loadtest.simulate.virtual_loop import NO_PROCESS

LEASE_S: Final = 10.0
RENEWAL_S: Final = 2.0
"""Lease of a server, and the interval at which it is renewed and the others' are checked, as with Redis."""


class BusMember(Protocol):
    """Bus of one server, as the broker sees it."""

    origin: str
    name: str

    @property
    def is_connected(self) -> bool:
        """Whether the broker can reach it."""

    def deliver(self, channel: str, origin: str, message: BusMessage) -> None:
        """Receive a message."""

    def report_gone(self, origin: str) -> None:
        """Receive the end of another server."""


class BusFaults:
    """Faults of notifications until a time; the shares are those of the notifications that they concern."""

    def __init__(self) -> None:
        self.until: dict[str, float] = {}
        self.share: dict[str, float] = {}

    def start(self, fault: str, until: float, share: float) -> None:
        """Start a fault, which replaces an earlier one of its kind."""
        self.until[fault], self.share[fault] = until, share

    def is_hit(self, fault: str, now: float, rng: UserRng) -> bool:
        """Return whether a fault concerns the next notification."""
        return now < self.until.get(fault, 0.0) and rng.random() < self.share[fault]

    def heal(self) -> None:
        """End all faults."""
        self.until.clear()


class Broker:
    """Broker that all servers share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int, trace: SimulationTrace) -> None:
        self.faults = BusFaults()
        self.members: dict[str, BusMember] = {}
        """Servers by origin, in the order of their first connection; dead ones until their lease ends."""
        self.is_down = False
        self._loop = loop
        self._seed = seed
        self._trace = trace
        self._entries: dict[str, dict[str, PresenceEntry]] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        """Ends of the leases of members that are not connected."""
        self._gone: dict[str, None] = {}
        """Origins whose lease has ended."""
        self._routes: dict[tuple[str, str], _BusRoute] = {}

    def rng(self, *names: str) -> UserRng:
        """Return the random numbers of one purpose; the same names give the same numbers in every run."""
        return UserRng(f"{self._seed}/bus/{'/'.join(names)}")

    def connect(self, member: BusMember) -> None:
        """Add a member, or end its absence."""
        self.members[member.origin] = member
        self._gone.pop(member.origin, None)
        if (expiry := self._expiries.pop(member.origin, None)) is not None:
            expiry.cancel()
        for origin in self._gone:
            # Every other server gets a full lease to reconnect, too.
            self._report_later(member, origin, LEASE_S)

    def disconnect(self, member: BusMember) -> None:
        """Start the end of a member's lease."""
        if member.origin in self.members and member.origin not in self._expiries:
            lease_s = LEASE_S - RENEWAL_S * self.rng("lease", member.name).random()
            self._expiries[member.origin] = self._loop.call_later(
                lease_s, self._expire, member.origin, context=NO_PROCESS
            )

    def leave(self, member: BusMember) -> None:
        """Remove a member that closed its bus."""
        self.disconnect(member)
        if (expiry := self._expiries.get(member.origin)) is not None:
            expiry.cancel()
            self._expire(member.origin)

    def publish(self, sender: BusMember, channel: str, message: BusMessage) -> None:
        """Send a message to every other member."""
        for member in list(self.members.values()):
            if member is not sender:
                self._send(sender, member, channel, message)

    def put(self, origin: str, entry: PresenceEntry) -> None:
        """Store a presence entry; ``offline`` removes it."""
        entries = self._entries.setdefault(origin, {})
        if entry.status == "offline":
            entries.pop(entry.user.user_id, None)
        else:
            entries[entry.user.user_id] = entry

    def replace(self, origin: str, entries: dict[str, PresenceEntry]) -> None:
        """Replace all entries of a member, after a reconnect."""
        self._entries[origin] = dict(entries)

    def entries_of_others(self, origin: str) -> list[tuple[str, dict[str, PresenceEntry]]]:
        """Return the entries of the other members whose lease has not ended."""
        return [
            (other, entries)
            for other, entries in self._entries.items()
            if other != origin and other in self.members and other not in self._gone
        ]

    def _send(self, sender: BusMember, receiver: BusMember, channel: str, message: BusMessage) -> None:
        key = (sender.name, receiver.name)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _BusRoute(self.rng(*key))
        now, rng, faults = self._loop.time(), route.rng, self.faults
        delay_s = 0.0005 + 0.004 * rng.random()
        if faults.is_hit("bus_loss", now, rng) and not _announces_members(message):
            self._trace.add("{} → {}: {} is lost", sender.name, receiver.name, type(message).__name__)
            return
        if faults.is_hit("bus_delay", now, rng):
            delay_s += 3.0 * rng.random()
        is_presence = isinstance(message, PresenceEntry)
        if faults.is_hit("bus_reorder", now, rng) and not is_presence:
            self._deliver_at(now + delay_s + 0.4 * rng.random(), sender, receiver, channel, message)
            return
        route.last_at = max(route.last_at + 1e-7, now + delay_s)
        self._deliver_at(route.last_at, sender, receiver, channel, message)
        if faults.is_hit("bus_repeat", now, rng) and not is_presence:
            self._deliver_at(now + delay_s + rng.random(), sender, receiver, channel, message)

    def _deliver_at(self, at: float, sender: BusMember, receiver: BusMember, channel: str, message: BusMessage) -> None:
        self._loop.call_at(at, self._deliver, sender.origin, receiver, channel, message, context=NO_PROCESS)

    def _deliver(self, origin: str, receiver: BusMember, channel: str, message: BusMessage) -> None:
        if receiver.is_connected:
            receiver.deliver(channel, origin, message)

    def _expire(self, origin: str) -> None:
        self._expiries.pop(origin, None)
        self._entries.pop(origin, None)
        self._gone[origin] = None
        del self.members[origin]
        for member in self.members.values():
            if member.is_connected:
                self._report_later(member, origin, 0.0)

    def _report_later(self, member: BusMember, origin: str, delay_s: float) -> None:
        delay_s += RENEWAL_S * self.rng("gone", member.name, origin).random()
        self._loop.call_later(delay_s, self._report, member, origin, context=NO_PROCESS)

    def _report(self, member: BusMember, origin: str) -> None:
        if origin in self._gone and member.is_connected:
            member.report_gone(origin)


def _announces_members(message: BusMessage) -> bool:
    """Return whether a message tells another server who is in a conversation.

    Only the next change or join repairs its loss, see `docs/simulate.md`.
    """
    return isinstance(message, HostingBegan) or (isinstance(message, PresenceEntry) and message.status != "offline")


class _BusRoute:
    """Notifications from one server to another; they arrive in the order of publishing, as with Redis."""

    __slots__ = ("last_at", "rng")

    def __init__(self, rng: UserRng) -> None:
        self.rng = rng
        self.last_at = 0.0
