"""Who is online: one status per user over all connections on all servers, offline only after a grace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Protocol

from chatws.bus import PresenceEntry, RemotePresenceEntry
from chatws.protocol.entities import Presence, PresenceChoice, User
from chatws.protocol.ids import format_timestamp
from chatws.server.clock import Clock
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.connections.registry import Connection
from chatws.server.presence.absence import AbsenceTimers
from chatws.server.presence.remote import RemotePresence
from chatws.server.presence.state import UserPresence, merge

MAX_LAST_ROOMS = 200
"""Somebody who never goes offline passes through any number of rooms."""


class PresenceObserver(Protocol):
    """The clients of this server who are told of a presence; conversations are named by their ids."""

    def show_change(self, presence: Presence, rooms: Iterable[str]) -> None:
        """A status changed: for members of these conversations, and for inboxes."""

    def show_arrival(self, presence: Presence, room: str) -> None:
        """Somebody joined a conversation: for its other members."""

    def is_hosted(self, room: str) -> bool:
        """Whether the conversation has a member here."""

    def has_followers(self) -> bool:
        """Whether somebody here follows an inbox."""


class PresenceManager:
    """The presence of every user whom somebody here may see."""

    def __init__(
        self,
        grace_ms: int,
        *,
        clock: Clock,
        observer: PresenceObserver,
        cluster: ClusterPublisher,
        absences: AbsenceTimers,
    ) -> None:
        self._grace_s = grace_ms / 1000
        self._clock = clock
        self._observer = observer
        self._cluster = cluster
        self._elsewhere = RemotePresence()
        self._absences = absences
        self._records: dict[str, UserPresence] = {}
        self._expected: dict[str, int] = {}
        """Users whose connections are about to arrive, and how many."""
        self._lost_servers: dict[str, asyncio.TimerHandle] = {}
        """Servers that have gone, during the grace that their users have to come back elsewhere."""

    @asynccontextmanager
    async def expecting(self, user_id: str) -> AsyncIterator[None]:
        """Hear of a user, and learn where the user stands, before a connection arrives inside the block."""
        self._expected[user_id] = self._expected.get(user_id, 0) + 1
        try:
            if not self._is_here(user_id):
                await self._cluster.wait_subscribed(self._cluster.subscribe_user(user_id))
                self._take(await self._cluster.presence_of([user_id]) or {})
            yield
        finally:
            self._expected[user_id] -= 1
            if not self._expected[user_id]:
                del self._expected[user_id]
            self._ignore_stranger(user_id)

    def arrive(self, connection: Connection) -> None:
        """A user's connection was authenticated."""
        assert connection.identity is not None
        record = self._record_of(connection.identity.user)
        if record.departure is not None:
            record.departure.cancel()
            record.departure = None
            self._tell_users_servers(record)
        record.take_over_choice(self._elsewhere.parts_of(connection.user_id).values())
        connection.choice = "online" if record.connections else record.choice
        record.connections.add(connection)
        self._settle_here(record)

    def depart(self, connection: Connection) -> None:
        """A connection has gone; call it before its rooms are forgotten."""
        record = self._records.get(connection.user_id)
        if record is None or connection not in record.connections:
            return
        record.connections.discard(connection)
        for room in connection.joined:
            record.last_rooms.pop(room, None)
            record.last_rooms[room] = None
        for room in list(record.last_rooms)[:-MAX_LAST_ROOMS]:
            del record.last_rooms[room]
        if record.connections:
            self._settle_here(record)
        elif record.departure is None:
            record.departure = self._clock.call_later(self._grace_s, self._leave, record)
            self._tell_users_servers(record)

    def joined(self, user_id: str, room: str) -> None:
        """A user's first connection here has joined a conversation."""
        record = self._records.get(user_id)
        if record is None:
            return  # gone again already
        if user_id not in self._elsewhere.users_in(room):
            self._observer.show_arrival(record.presence(), room)
        self._cluster.presence_in(room, record.part(), also_tell_user=bool(self._elsewhere.parts_of(user_id)))

    def left(self, user_id: str, room: str) -> None:
        """A user's last connection here has left a conversation, and stays connected."""
        if (record := self._records.get(user_id)) is not None:
            self._cluster.presence_in(room, record.part(), also_tell_user=bool(self._elsewhere.parts_of(user_id)))

    def choose(self, connection: Connection, choice: PresenceChoice) -> None:
        """The user chose online, away or busy on this connection."""
        record = self._records[connection.user_id]
        connection.choice = record.choice = choice
        self._settle_here(record)

    @property
    def users(self) -> Mapping[str, UserPresence]:
        """Read-only view of the known users by id."""
        return MappingProxyType(self._records)

    def of(self, user_id: str) -> Presence:
        """Return a user's presence; offline since now for somebody not known here."""
        record = self._records.get(user_id)
        if record is None:
            return Presence(user_id=user_id, status="offline", timestamp=format_timestamp(self._clock.now_ms()))
        return record.presence()

    async def of_all(self, user_ids: Iterable[str], room: str | None = None) -> list[Presence]:
        """Return the presence of several users, each once, and of those who are in a conversation on other servers.

        Users who are not known here are asked for; while that is not possible they count as offline.
        """
        wanted = dict.fromkeys(user_ids)
        if room is not None:
            wanted.update(dict.fromkeys(self._elsewhere.users_in(room)))
        unknown = [user_id for user_id in wanted if user_id not in self._records]
        found = await self._cluster.presence_of(unknown) or {}
        self._take(found)
        return [self._of_stranger(user_id, found.get(user_id)) or self.of(user_id) for user_id in wanted]

    async def ask_about(self, user_ids: Collection[str]) -> None:
        """Learn what other servers hold of users who have just been heard of."""
        self._take(await self._cluster.presence_of(user_ids) or {})

    async def learn_agents(self) -> None:
        """Learn of the agents on other servers, for somebody who begins to follow an inbox."""
        found: dict[str, list[RemotePresenceEntry]] = {}
        for held in await self._cluster.agents() or ():
            found.setdefault(held.part.user.user_id, []).append(held)
        self._take(found)

    def agents(self) -> list[str]:
        """Return the ids of the agents who are known not to be offline."""
        return [user_id for user_id, record in self._records.items() if record.user.role == "admin"]

    def is_online(self, user_id: str) -> bool:
        """Whether the user is known to be connected, or was within the grace."""
        return user_id in self._records

    async def is_online_anywhere(self, user_id: str) -> bool | None:
        """Whether the user is connected to any server; None when the others cannot be asked now."""
        if user_id in self._records:
            return True
        found = await self._cluster.presence_of([user_id])
        return None if found is None else bool(found[user_id])

    def is_waiting(self, user_id: str) -> bool:
        """Whether the user's last connection has just gone and the grace is running."""
        record = self._records.get(user_id)
        return record is not None and record.departure is not None

    def hear(self, origin: str, part: PresenceEntry) -> bool:
        """Another server says where a user stands there; returns whether nothing was known of the user before."""
        user_id = part.user.user_id
        known = self._elsewhere.parts_of(user_id).get(origin)
        if known is not None and known.since_ms > part.since_ms:
            return False
        is_stranger = user_id not in self._records
        before = self._elsewhere.rooms_of(user_id)
        self._elsewhere.put(origin, part)
        if not self._matters(user_id, before if part.status == "offline" else self._elsewhere.rooms_of(user_id)):
            self._forget_unseen(user_id)
            return False
        record = self._record_of(part.user)
        before |= record.rooms()
        if not self._settle(record, before) and part.status != "offline":
            for room in part.rooms:
                if room not in before and self._observer.is_hosted(room):
                    self._observer.show_arrival(record.presence(), room)
        return is_stranger

    def server_gone(self, origin: str) -> None:
        """Another server has ended: its users are offline, unless they come back somewhere within the grace."""
        lost = list(self._elsewhere.of_server(origin))
        if lost:
            if (earlier := self._lost_servers.pop(origin, None)) is not None:
                earlier.cancel()
            self._lost_servers[origin] = self._clock.call_later(self._grace_s, self._drop_lost, origin, lost)

    def parts_of(self, user_ids: Iterable[str]) -> list[PresenceEntry]:
        """Return this server's parts of these users."""
        found = (self._records.get(user_id) for user_id in dict.fromkeys(user_ids))
        return [record.part() for record in found if record is not None and record.here != "offline"]

    def parts(self) -> list[PresenceEntry]:
        """Return this server's parts of all its users."""
        return self.parts_of(list(self._records))

    def known_elsewhere(self) -> list[str]:
        """Return the users of whom other servers have told."""
        return self._elsewhere.users()

    def correct(self, found: Mapping[str, list[RemotePresenceEntry]], servers: Collection[str] | None = None) -> None:
        """Take the others' present answer in place of what these servers, by default all, had told of the users."""
        for user_id, held in found.items():
            origins = {one.origin for one in held}
            for origin, part in list(self._elsewhere.parts_of(user_id).items()):
                if origin not in origins and (servers is None or origin in servers):
                    self._drop(origin, [part])
            for one in held:
                self.hear(one.origin, one.part)

    def room_ended(self, room: str) -> None:
        """The last member of a conversation here has left it."""
        for user_id in self._elsewhere.users_in(room):
            self._forget_unseen(user_id)

    def inbox_ended(self) -> None:
        """The last follower of an inbox here has gone."""
        for user_id in self._elsewhere.users():
            self._forget_unseen(user_id)

    def close(self) -> None:
        """Cancel the timers; nothing more is shown."""
        for record in self._records.values():
            if record.departure is not None:
                record.departure.cancel()
        for timer in self._lost_servers.values():
            timer.cancel()
        self._records.clear()

    def _is_here(self, user_id: str) -> bool:
        record = self._records.get(user_id)
        return record is not None and record.here != "offline"

    def _matters(self, user_id: str, rooms: Iterable[str]) -> bool:
        """Whether somebody here may see a user who is in these conversations on other servers."""
        if self._observer.has_followers() or user_id in self._expected or self._is_here(user_id):
            return True
        return any(map(self._observer.is_hosted, rooms))

    def _record_of(self, user: User) -> UserPresence:
        record = self._records.get(user.user_id)
        if record is None:
            record = self._records[user.user_id] = UserPresence(user, self._clock.now_ms())
        return record

    def _take(self, found: Mapping[str, Iterable[RemotePresenceEntry]]) -> None:
        """Take answers, unless notes that are as young have come meanwhile; who was not known before is no news."""
        for user_id, parts in found.items():
            is_known = user_id in self._records
            for held in parts:
                known = self._elsewhere.parts_of(user_id).get(held.origin)
                if not is_known:
                    self._elsewhere.put(held.origin, held.part)
                elif known is None or (known.since_ms, known.is_leaving) < (held.part.since_ms, held.part.is_leaving):
                    self.hear(held.origin, held.part)
            if not is_known:
                self._learn(user_id)

    def _learn(self, user_id: str) -> None:
        """Begin to know a user who is on other servers only."""
        parts = self._elsewhere.parts_of(user_id).values()
        if parts and self._matters(user_id, self._elsewhere.rooms_of(user_id)):
            user = next(iter(parts)).user
            self._record_of(user).merge(parts, self._clock.now_ms())
        else:
            self._elsewhere.forget(user_id)

    def _of_stranger(self, user_id: str, found: list[RemotePresenceEntry] | None) -> Presence | None:
        """Write the presence of somebody whom nobody here may see but who asked just now."""
        if user_id in self._records or not found:
            return None
        status, since_ms = merge((held.part.status, held.part.since_ms) for held in found)
        return Presence(user_id=user_id, status=status, timestamp=format_timestamp(since_ms))

    def _tell_users_servers(self, record: UserPresence) -> None:
        self._cluster.hold(record.part(), also_tell_user=bool(self._elsewhere.parts_of(record.user.user_id)))

    def _settle_here(self, record: UserPresence) -> None:
        rooms = record.rooms() | self._elsewhere.rooms_of(record.user.user_id)
        if record.contribute(self._clock.now_ms()):
            self._cluster.presence(record.part(), rooms)
        self._settle(record, rooms)

    def _settle(self, record: UserPresence, rooms: Collection[str]) -> bool:
        """Show what the user's status has become, if it has changed; ``rooms`` are those that knew the one before."""
        user_id = record.user.user_id
        is_news = record.merge(self._elsewhere.parts_of(user_id).values(), self._clock.now_ms())
        if record.status == "offline":
            del self._records[user_id]
        if is_news:
            self._observer.show_change(record.presence(), {*rooms, *self._elsewhere.rooms_of(user_id)})
            if record.status == "offline":
                self._absences.user_offline(record.user)
        return is_news

    def _leave(self, record: UserPresence) -> None:
        """The grace is over."""
        rooms = record.rooms() | self._elsewhere.rooms_of(record.user.user_id)
        record.departure = None
        record.contribute(self._clock.now_ms())
        self._cluster.presence(record.part(), rooms)
        record.last_rooms.clear()
        self._settle(record, rooms)
        self._ignore_stranger(record.user.user_id)

    def _drop_lost(self, origin: str, parts: list[PresenceEntry]) -> None:
        del self._lost_servers[origin]
        self._drop(origin, parts)

    def _drop(self, origin: str, parts: Iterable[PresenceEntry]) -> None:
        """Forget parts of a server that it has not renewed since."""
        for part in parts:
            user_id = part.user.user_id
            if self._elsewhere.parts_of(user_id).get(origin) is part:
                record = self._records[user_id]
                rooms = record.rooms() | self._elsewhere.rooms_of(user_id)
                self._elsewhere.remove(origin, user_id)
                self._settle(record, rooms)

    def _ignore_stranger(self, user_id: str) -> None:
        """Hear no more of a user who is neither connected here nor about to be."""
        if user_id not in self._expected and not self._is_here(user_id):
            self._cluster.unsubscribe_user(user_id)
            self._forget_unseen(user_id)

    def _forget_unseen(self, user_id: str) -> None:
        """Forget what others have told of a user whom nobody here may see any more; there is nobody to show it to."""
        if self._matters(user_id, self._elsewhere.rooms_of(user_id)):
            return
        self._elsewhere.forget(user_id)
        self._records.pop(user_id, None)
