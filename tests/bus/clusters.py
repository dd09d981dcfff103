"""Several servers' buses of one kind: a town, in which each can be cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from chatws.bus import MemoryHub
from chatws.bus.redis import RedisBus
from chatws.bus.redis.bus import RedisTiming
from chatws.bus.redis.url import parse_redis_url
from tests.bus.support import Recorder
from tests.support.tcp_relay import Relay

if TYPE_CHECKING:
    from chatws.bus import Bus, MemoryBus
    from tests.support.redis import RedisServer

FAST = RedisTiming(lease=2.0, beat=0.2, timeout=10.0, retry=0.1)
"""Leases run out soon, but a busy machine has all the time it needs to answer."""

HASTY = FAST._replace(timeout=1.0)
"""For tests in which Redis does not answer."""


class Member:
    """One server: its bus and what it has heard."""

    def __init__(self, bus: Bus, heard: Recorder) -> None:
        self.bus = bus
        self.heard = heard

    @property
    def origin(self) -> str:
        return self.bus.origin


class Town(Protocol):
    """Where members come from; ``close`` ends those that are still open."""

    async def member(self) -> Member: ...

    async def cut(self, member: Member) -> None:
        """Take a member's link away."""

    async def restore(self, member: Member) -> None:
        """Give it back."""

    async def close(self) -> None: ...


class MemoryTown:
    """Members of one hub."""

    def __init__(self) -> None:
        self._hub = MemoryHub()
        self._buses: dict[str, MemoryBus] = {}

    async def member(self) -> Member:
        bus = self._hub.bus()
        self._buses[bus.origin] = bus
        heard = Recorder()
        await bus.open(heard)
        return Member(bus, heard)

    async def cut(self, member: Member) -> None:
        self._buses[member.origin].cut()

    async def restore(self, member: Member) -> None:
        self._buses[member.origin].restore()

    async def close(self) -> None:
        for bus in self._buses.values():
            await bus.close()


class RedisTown:
    """Members around one Redis, each over a path of its own."""

    def __init__(self, server: RedisServer, prefix: str, timing: RedisTiming = FAST) -> None:
        self._server = server
        self._prefix = prefix
        self._timing = timing
        self._relays: dict[str, Relay] = {}
        self._buses: list[RedisBus] = []

    @property
    def port(self) -> int:
        """The Redis without a path that can be cut."""
        return self._server.port

    async def member(self) -> Member:
        relay = Relay(self._server.port)
        await relay.mend()
        bus = RedisBus(parse_redis_url(f"redis://127.0.0.1:{relay.port}"), self._prefix, self._timing)
        self._relays[bus.origin] = relay
        self._buses.append(bus)
        heard = Recorder()
        await bus.open(heard)
        return Member(bus, heard)

    async def cut(self, member: Member) -> None:
        await self._relays[member.origin].cut()

    async def restore(self, member: Member) -> None:
        await self._relays[member.origin].mend()

    async def close(self) -> None:
        for bus in self._buses:
            await bus.close()
        for relay in self._relays.values():
            await relay.close()
