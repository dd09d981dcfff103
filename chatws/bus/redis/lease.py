"""This server's lease in Redis and those of the others: written, renewed, read, given back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatws.bus.errors import BusUnavailable
from chatws.bus.interface import RemotePresenceEntry
from chatws.bus.redis.membership import MAX_PEERS, Membership
from chatws.bus.redis.presence_store import PresenceStore, read_parts

if TYPE_CHECKING:
    from chatws.bus.redis.connection import Command, RedisConnection, Reply
    from chatws.bus.redis.keys import RedisKeys

UNEXPECTED = "it answered what nobody expects"

FORGET_AFTER_LEASES = 6
"""How long a lease that ran out can still be seen, so that every other server notices."""


class Renewal(NamedTuple):
    """What a renewal found: whether the lease had been held all the time, and which servers are gone."""

    was_held: bool
    gone: list[str]


class Lease:
    """The lease, with the presence parts that live as long as it does."""

    def __init__(self, origin: str, keys: RedisKeys, lease_s: float) -> None:
        self._origin = origin
        self._keys = keys
        self._lease_ms = round(lease_s * 1000)
        self.shelf = PresenceStore(keys, origin, self._lease_ms)
        self.peers = Membership(origin, self._lease_ms)
        self._looked_at = 0.0
        """When the others' leases were looked at last, by the event loop's clock."""

    async def begin(self, link: RedisConnection) -> list[str]:
        """Write the lease and every part on a new link; everyone else is spared. Returns the servers that are gone.

        Raises:
            Away: the link was lost, or Redis refuses.
        """
        now_ms, leases = await self._look(link)
        await self._write(link)
        await self._prolong(link, now_ms)
        self._looked_at = asyncio.get_running_loop().time()
        self.peers.spare(now_ms)
        return self.peers.look(leases, now_ms)

    async def renew(self, link: RedisConnection) -> Renewal:
        """Prolong the lease, or write it again with every part where Redis has lost it.

        Raises:
            Away: as above.
        """
        marked, *_ = await link.demand(self.shelf.is_marked(), *self.shelf.renewal())
        now_ms, leases = await self._look(link)
        # The others go by the second: had it run out, they have taken this server for gone.
        was_held = marked == 1 and leases.get(self._origin, 0) > now_ms
        if not was_held:
            await self._write(link)
        await self._prolong(link, now_ms)
        if self._stood_still():
            self.peers.spare(now_ms)
        return Renewal(was_held, self.peers.look(leases, now_ms))

    async def end(self, link: RedisConnection) -> None:
        """Give the lease back.

        Raises:
            Away: as above.
        """
        (now,) = await link.demand(("TIME",))
        await link.demand(self.shelf.removal(), ("ZADD", self._keys.servers, _unix_ms(now) - 1, self._origin))

    async def parts_of(self, link: RedisConnection, user_ids: Sequence[str]) -> list[RemotePresenceEntry]:
        """Read the parts that other servers hold of these users.

        Raises:
            Away: as above.
        """
        keys = self._keys
        return await self._read(
            link,
            lambda origin: [("HMGET", key, *user_ids) for key in (keys.agents(origin), keys.customers(origin))],
        )

    async def agents(self, link: RedisConnection) -> list[RemotePresenceEntry]:
        """Read the parts that other servers hold of agents.

        Raises:
            Away: as above.
        """
        return await self._read(link, lambda origin: [("HVALS", self._keys.agents(origin))])

    async def _read(
        self, link: RedisConnection, questions: Callable[[str], list[Command]]
    ) -> list[RemotePresenceEntry]:
        # The hashes of servers whose lease ran out are gone by themselves: to ask for them is harmless.
        (names,) = await link.demand(("ZRANGE", self._keys.servers, -MAX_PEERS, -1))
        origins = [name.decode(errors="replace") for name in as_list(names) if isinstance(name, bytes)]
        others = [origin for origin in origins if origin != self._origin]
        asked = [(origin, command) for origin in others for command in questions(origin)]
        if not asked:
            return []
        replies = await link.demand(*(command for _, command in asked))
        held: list[RemotePresenceEntry] = []
        for (origin, _), reply in zip(asked, replies, strict=True):
            parts = read_parts(as_list(reply))
            held += [RemotePresenceEntry(origin, part) for part in parts]
            if parts:
                self.peers.heard(origin)
        return held

    def _stood_still(self) -> bool:
        """Whether so much time has passed since the last look that the others may be as late as this server is.

        A machine that was paused wakes with all its servers' leases run out; none of them is gone.
        """
        now = asyncio.get_running_loop().time()
        passed_s, self._looked_at = now - self._looked_at, now
        return passed_s * 1000 > self._lease_ms / 2

    async def _look(self, link: RedisConnection) -> tuple[int, dict[str, int]]:
        now, scores = await link.demand(("TIME",), ("ZRANGE", self._keys.servers, -MAX_PEERS, -1, "WITHSCORES"))
        flat = as_list(scores)
        leases = {
            name.decode(errors="replace"): int(float(score))
            for name, score in zip(flat[::2], flat[1::2], strict=True)
            if isinstance(name, bytes) and isinstance(score, bytes)
        }
        return _unix_ms(now), leases

    async def _write(self, link: RedisConnection) -> None:
        for command in self.shelf.everything():
            await link.demand(command)

    async def _prolong(self, link: RedisConnection, now_ms: int) -> None:
        oldest = now_ms - FORGET_AFTER_LEASES * self._lease_ms
        await link.demand(
            ("ZADD", self._keys.servers, now_ms + self._lease_ms, self._origin),
            ("ZREMRANGEBYSCORE", self._keys.servers, "-inf", oldest),
        )


def as_list(reply: Reply) -> list[Reply]:
    """Return an answer that must be a list.

    Raises:
        Away: it is none.
    """
    if not isinstance(reply, list):
        raise BusUnavailable(UNEXPECTED)
    return reply


def _unix_ms(reply: Reply) -> int:
    match reply:
        case [bytes(seconds), bytes(micros)]:
            return int(seconds) * 1000 + int(micros) // 1000
    raise BusUnavailable(UNEXPECTED)
