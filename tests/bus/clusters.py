"""Clusters of buses of each kind; any member can be disconnected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from chatws.bus import MemoryHub
from chatws.bus.redis import RedisBus
from chatws.bus.redis.bus import RedisTiming
from chatws.bus.redis.url import parse_redis_url
from tests.bus.support import RecordingBusListener
from tests.support.tcp_relay import TcpRelay

if TYPE_CHECKING:
    from chatws.bus import Bus, MemoryBus
    from tests.support.redis import RedisServer

FAST = RedisTiming(lease=2.0, renewal=0.2, timeout=10.0, retry=0.1)
"""Short leases, and a timeout that a busy machine does not exceed."""

SHORT_TIMEOUT = FAST._replace(timeout=1.0)
"""For tests in which Redis does not reply."""


class ClusterMember:
    """Bus of one server with its listener."""

    def __init__(self, bus: Bus, listener: RecordingBusListener) -> None:
        self.bus = bus
        self.listener = listener

    @property
    def origin(self) -> str:
        return self.bus.origin


class BusCluster(Protocol):
    """Factory of members; ``close`` ends the open ones."""

    async def member(self) -> ClusterMember: ...

    async def disconnect(self, member: ClusterMember) -> None:
        """Disconnect a member."""

    async def reconnect(self, member: ClusterMember) -> None:
        """Reconnect a member."""

    async def close(self) -> None: ...


class MemoryCluster:
    """Members of one in-memory hub."""

    def __init__(self) -> None:
        self._hub = MemoryHub()
        self._buses: dict[str, MemoryBus] = {}

    async def member(self) -> ClusterMember:
        bus = self._hub.bus()
        self._buses[bus.origin] = bus
        listener = RecordingBusListener()
        await bus.open(listener)
        return ClusterMember(bus, listener)

    async def disconnect(self, member: ClusterMember) -> None:
        self._buses[member.origin].disconnect()

    async def reconnect(self, member: ClusterMember) -> None:
        self._buses[member.origin].reconnect()

    async def close(self) -> None:
        for bus in self._buses.values():
            await bus.close()


class RedisCluster:
    """Members of one Redis, each behind its own relay."""

    def __init__(self, server: RedisServer, prefix: str, timing: RedisTiming = FAST) -> None:
        self._server = server
        self._prefix = prefix
        self._timing = timing
        self._relays: dict[str, TcpRelay] = {}
        self._members: list[ClusterMember] = []

    @property
    def port(self) -> int:
        """Port of Redis itself, without a relay."""
        return self._server.port

    async def member(self) -> ClusterMember:
        relay = TcpRelay(self._server.port)
        await relay.restore()
        member = await open_member(f"redis://127.0.0.1:{relay.port}", self._prefix, self._timing)
        self._relays[member.origin] = relay
        self._members.append(member)
        return member

    async def disconnect(self, member: ClusterMember) -> None:
        await self._relays[member.origin].cut()

    async def reconnect(self, member: ClusterMember) -> None:
        await self._relays[member.origin].restore()

    async def close(self) -> None:
        for member in self._members:
            await member.bus.close()
        for relay in self._relays.values():
            await relay.close()


async def open_member(url: str, prefix: str = "chatws", timing: RedisTiming = FAST) -> ClusterMember:
    """Open a bus at the URL of a Redis, without a relay; the caller closes it."""
    listener = RecordingBusListener()
    bus = RedisBus(parse_redis_url(url), prefix, timing)
    await bus.open(listener)
    return ClusterMember(bus, listener)


async def agents_seen_by(member: ClusterMember) -> set[str]:
    return {remote.entry.user.user_id for remote in await member.bus.agents()}
