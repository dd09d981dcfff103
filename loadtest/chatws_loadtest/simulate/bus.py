"""Bus of one simulated server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from chatws.bus import (
    BusListener,
    BusMessage,
    BusStats,
    BusUnavailable,
    PresenceEntry,
    RemotePresenceEntry,
)
from chatws_loadtest.simulate.broker import Broker
from chatws_loadtest.simulate.virtual_loop import SimulatedProcess

ROUND_TRIP_S = 0.002
RECONNECT_S = 1.0
"""Longest time from the end of an outage to the reconnect."""

_NOT_CONNECTED = "not connected"


class SimulatedBus:
    """`chatws.bus.Bus` over the simulated broker, with the guarantees of the bus over Redis."""

    def __init__(self, broker: Broker, name: str, origin: str, process: SimulatedProcess) -> None:
        self.origin = origin
        self.name = name
        self.stats = BusStats()
        self.has_others = True
        self._broker = broker
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._rng = broker.rng("member", name)
        self._listener: BusListener | None = None
        self._channels: set[str] = set()
        self._wanted: dict[str, asyncio.Future[None]] = {}
        self._entries: dict[str, PresenceEntry] = {}
        self._is_partitioned = False

    @property
    def is_connected(self) -> bool:
        """Whether the broker reaches this server."""
        return self.stats.connected and not self._process.is_dead

    async def open(self, listener: BusListener) -> None:
        """Connect, unless the broker is down."""
        self._listener = listener
        await asyncio.sleep(ROUND_TRIP_S)
        if not self._broker.is_down:
            self._connect()

    async def close(self) -> None:
        """Leave; the others are informed at once."""
        self._listener = None
        if self.stats.connected:
            self.stats.connected = False
            self._broker.leave(self)

    def vanish(self) -> None:
        """Lose the connection for ever, because the process was killed; called by the simulation."""
        if self.stats.connected:
            self.stats.connected = False
            self._broker.disconnect(self)

    def cut(self) -> None:
        """Lose the connection to the broker; called by the simulation."""
        self._is_partitioned = True
        if self.stats.connected:
            self.stats.connected = False
            self._broker.disconnect(self)
            self._channels.clear()

    def restore(self) -> None:
        """Reconnect soon; called by the simulation."""
        self._is_partitioned = False
        delay_s = RECONNECT_S * (0.1 + self._rng.random())
        self._loop.call_later(delay_s, self._reconnect, context=self._process.context)

    def publish(self, channel: str, message: BusMessage) -> None:
        """Send a message, or drop it without a connection."""
        if self.is_connected:
            self.stats.published += 1
            self._broker.publish(self, channel, message)
        else:
            self.stats.dropped += 1

    def subscribe(self, channel: str) -> asyncio.Future[None]:
        """Subscribe after a round trip, or after the reconnect."""
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            confirmed = self._wanted[channel] = self._loop.create_future()
            if self.is_connected:
                self._confirm_later(channel, confirmed)
        return confirmed

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        self._channels.discard(channel)
        confirmed = self._wanted.pop(channel, None)
        if confirmed is not None and not confirmed.done():
            confirmed.cancel()

    def set_presence(self, entry: PresenceEntry) -> None:
        """Store a user's entry; without a connection it is written after the reconnect."""
        if self._process.is_dead:
            return
        if entry.status == "offline":
            self._entries.pop(entry.user.user_id, None)
        else:
            self._entries[entry.user.user_id] = entry
        if self.is_connected:
            self._broker.put(self.origin, entry)

    async def presence_of(self, user_ids: Iterable[str]) -> dict[str, list[RemotePresenceEntry]]:
        """Return the entries of these users on other servers."""
        wanted = sorted(user_ids)
        found = await self._query()
        return {
            user_id: [RemotePresenceEntry(origin, entries[user_id]) for origin, entries in found if user_id in entries]
            for user_id in wanted
        }

    async def agents(self) -> list[RemotePresenceEntry]:
        """Return the entries of agents on other servers."""
        found = await self._query()
        return [
            RemotePresenceEntry(origin, entry)
            for origin, entries in found
            for entry in entries.values()
            if entry.user.role == "admin"
        ]

    async def ping(self) -> bool:
        """Return whether the bus is connected."""
        return self.is_connected

    def deliver(self, channel: str, origin: str, message: BusMessage) -> None:
        """Pass a message to the server; called by the broker."""
        if channel in self._channels and self._listener is not None:
            self.stats.received += 1
            self._process.context.run(self._listener.received, channel, origin, message)

    def report_gone(self, origin: str) -> None:
        """Pass the end of another server to this one; called by the broker."""
        if self._listener is not None:
            self._process.context.run(self._listener.server_gone, origin)

    async def _query(self) -> list[tuple[str, dict[str, PresenceEntry]]]:
        if not self.is_connected:
            raise BusUnavailable(_NOT_CONNECTED)
        await asyncio.sleep(ROUND_TRIP_S * (0.5 + self._rng.random()))
        if not self.is_connected:
            raise BusUnavailable(_NOT_CONNECTED)
        return self._broker.entries_of_others(self.origin)

    def _reconnect(self) -> None:
        if self._listener is None or self._is_partitioned or self._broker.is_down or self.stats.connected:
            return
        self._connect()
        self.stats.reconnects += 1
        self._listener.resumed()

    def _connect(self) -> None:
        self.stats.connected = True
        self._broker.connect(self)
        self._broker.replace(self.origin, self._entries)
        for channel, confirmed in self._wanted.items():
            self._confirm(channel, confirmed)

    def _confirm_later(self, channel: str, confirmed: asyncio.Future[None]) -> None:
        self._loop.call_later(ROUND_TRIP_S * (0.5 + self._rng.random()), self._confirm, channel, confirmed)

    def _confirm(self, channel: str, confirmed: asyncio.Future[None]) -> None:
        if self.is_connected and self._wanted.get(channel) is confirmed:
            self._channels.add(channel)
            if not confirmed.done():
                confirmed.set_result(None)
