"""Lease of this server in Redis, with its presence entries, and the leases of the other servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatws.bus.errors import BusUnavailable
from chatws.bus.interface import RemotePresenceEntry
from chatws.bus.redis.membership import MAX_PEERS, Membership
from chatws.bus.redis.presence_store import PresenceStore, decode_entries

if TYPE_CHECKING:
    from chatws.bus.redis.connection import Command, RedisConnection, Reply
    from chatws.bus.redis.keys import RedisKeys

UNEXPECTED_REPLY = "unexpected reply"

FORGET_AFTER_LEASES = 6
"""Number of leases for which an expired lease stays in Redis, so that every other server sees it."""


class LeaseRenewal(NamedTuple):
    """Result of a renewal: whether the lease was held without interruption, and the servers that are gone."""

    was_held: bool
    gone: list[str]


class ServerLease:
    """Lease of this server; its presence entries expire with it."""

    def __init__(self, origin: str, keys: RedisKeys, lease_s: float) -> None:
        self._origin = origin
        self._keys = keys
        self._lease_ms = round(lease_s * 1000)
        self.presence = PresenceStore(keys, origin, self._lease_ms)
        self.membership = Membership(origin, self._lease_ms)
        self._checked_at = 0.0
        """Time of the last check of the other leases, by the event loop's clock."""

    async def acquire(self, connection: RedisConnection) -> list[str]:
        """Write the lease and all entries on a new connection; return the servers that are gone.

        Every other known server gets a full lease to reconnect, too.

        Raises:
            BusUnavailable: the connection was lost, or Redis rejected a command.
        """
        now_ms, leases = await self._read_leases(connection)
        await self._write_presence(connection)
        await self._write_lease(connection, now_ms)
        self._checked_at = asyncio.get_running_loop().time()
        self.membership.grant_grace(now_ms)
        return self.membership.update(leases, now_ms)

    async def renew(self, connection: RedisConnection) -> LeaseRenewal:
        """Renew the lease, or write it again with all entries if Redis has lost it.

        Raises:
            BusUnavailable: as in ``acquire``.
        """
        marked, *_ = await connection.request_checked(self.presence.mark_query(), *self.presence.renewal())
        now_ms, leases = await self._read_leases(connection)
        # Other servers check the second condition: after an expiry they treat this server as gone.
        was_held = marked == 1 and leases.get(self._origin, 0) > now_ms
        if not was_held:
            await self._write_presence(connection)
        await self._write_lease(connection, now_ms)
        if self._was_paused():
            self.membership.grant_grace(now_ms)
        return LeaseRenewal(was_held, self.membership.update(leases, now_ms))

    async def release(self, connection: RedisConnection) -> None:
        """Remove the entries and let the lease expire at once.

        Raises:
            BusUnavailable: as in ``acquire``.
        """
        (now,) = await connection.request_checked(("TIME",))
        await connection.request_checked(
            self.presence.removal(), ("ZADD", self._keys.servers, _unix_ms(now) - 1, self._origin)
        )

    async def entries_of(self, connection: RedisConnection, user_ids: Sequence[str]) -> list[RemotePresenceEntry]:
        """Read the entries of these users on other servers.

        Raises:
            BusUnavailable: as in ``acquire``.
        """
        keys = self._keys
        return await self._read_entries(
            connection,
            lambda origin: [("HMGET", key, *user_ids) for key in (keys.agents(origin), keys.customers(origin))],
        )

    async def agents(self, connection: RedisConnection) -> list[RemotePresenceEntry]:
        """Read the entries of agents on other servers.

        Raises:
            BusUnavailable: as in ``acquire``.
        """
        return await self._read_entries(connection, lambda origin: [("HVALS", self._keys.agents(origin))])

    async def _read_entries(
        self, connection: RedisConnection, commands_for: Callable[[str], list[Command]]
    ) -> list[RemotePresenceEntry]:
        # The hashes of a server with an expired lease have expired too, so reading them returns nothing.
        (names,) = await connection.request_checked(("ZRANGE", self._keys.servers, -MAX_PEERS, -1))
        origins = [name.decode(errors="replace") for name in _as_list(names) if isinstance(name, bytes)]
        others = [origin for origin in origins if origin != self._origin]
        queries = [(origin, command) for origin in others for command in commands_for(origin)]
        if not queries:
            return []
        replies = await connection.request_checked(*(command for _, command in queries))
        found: list[RemotePresenceEntry] = []
        for (origin, _), reply in zip(queries, replies, strict=True):
            entries = decode_entries(_as_list(reply))
            found += [RemotePresenceEntry(origin, entry) for entry in entries]
            if entries:
                self.membership.add(origin)
        return found

    def _was_paused(self) -> bool:
        """Return whether the last check is so long ago that the other servers may be late for the same reason.

        After a pause of the machine the leases of all its servers have expired, although none of them is gone.
        """
        now = asyncio.get_running_loop().time()
        elapsed_s, self._checked_at = now - self._checked_at, now
        return elapsed_s * 1000 > self._lease_ms / 2

    async def _read_leases(self, connection: RedisConnection) -> tuple[int, dict[str, int]]:
        """Return the time of Redis and the expiry of every lease, in Unix milliseconds."""
        now, scores = await connection.request_checked(
            ("TIME",), ("ZRANGE", self._keys.servers, -MAX_PEERS, -1, "WITHSCORES")
        )
        flat = _as_list(scores)
        leases = {
            name.decode(errors="replace"): int(float(score))
            for name, score in zip(flat[::2], flat[1::2], strict=True)
            if isinstance(name, bytes) and isinstance(score, bytes)
        }
        return _unix_ms(now), leases

    async def _write_presence(self, connection: RedisConnection) -> None:
        for command in self.presence.take_all():
            await connection.request_checked(command)
        self.presence.confirm()

    async def _write_lease(self, connection: RedisConnection, now_ms: int) -> None:
        oldest_ms = now_ms - FORGET_AFTER_LEASES * self._lease_ms
        await connection.request_checked(
            ("ZADD", self._keys.servers, now_ms + self._lease_ms, self._origin),
            ("ZREMRANGEBYSCORE", self._keys.servers, "-inf", oldest_ms),
        )


def _as_list(reply: Reply) -> list[Reply]:
    """Return a reply that has to be a list.

    Raises:
        BusUnavailable: the reply is not a list.
    """
    if not isinstance(reply, list):
        raise BusUnavailable(UNEXPECTED_REPLY)
    return reply


def _unix_ms(reply: Reply) -> int:
    match reply:
        case [bytes(seconds), bytes(micros)]:
            return int(seconds) * 1000 + int(micros) // 1000
    raise BusUnavailable(UNEXPECTED_REPLY)
