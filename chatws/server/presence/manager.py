"""Presence of users: one status over all connections on all servers, offline only after a grace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from chatws.bus import PresenceEntry, RemotePresenceEntry
from chatws.protocol.entities import Presence, PresenceChoice, User
from chatws.protocol.ids import format_timestamp
from chatws.server.clock import Clock
from chatws.server.cluster.publisher import ClusterPublisher
from chatws.server.connections.registry import Connection
from chatws.server.presence.absence import AbsenceTimers
from chatws.server.presence.observer import PresenceObserver
from chatws.server.presence.remote import RemotePresence
from chatws.server.presence.state import UserPresence, is_newer, merge


class PresenceManager:
    """Presence of all users that are visible to a client of this server."""

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
        self._remote = RemotePresence()
        self._absences = absences
        self._users: dict[str, UserPresence] = {}
        self._expected: dict[str, int] = {}
        """Number of connections in `expecting`, by user."""
        self._left_rooms_of: dict[str, None] = {}
        """Users online on other servers only who have left conversations here, whose members see them online."""
        self._lost_servers: dict[str, asyncio.TimerHandle] = {}
        """Servers that have ended, during the grace in which their users may reconnect to another server."""

    @property
    def users(self) -> Mapping[str, UserPresence]:
        """Read-only view of the known users by id."""
        return MappingProxyType(self._users)

    @asynccontextmanager
    async def expecting(self, user_id: str) -> AsyncIterator[None]:
        """Subscribe to a user's channel and read the user's remote presence before a connection is added."""
        self._expected[user_id] = self._expected.get(user_id, 0) + 1
        try:
            if not self._is_online_here(user_id):
                await self._cluster.wait_subscribed(self._cluster.subscribe_user(user_id))
                self._add_found(await self._cluster.presence_of([user_id]) or {})
            yield
        finally:
            self._expected[user_id] -= 1
            if not self._expected[user_id]:
                del self._expected[user_id]
            self._unsubscribe_unused(user_id)

    def connected(self, connection: Connection) -> None:
        """Add an authenticated connection, with the status that the user has chosen on the same client before."""
        assert connection.identity is not None
        user = self._get_or_add(connection.identity.user)
        user.take_over_choice(connection, self._remote.entries_of(connection.user_id).values())
        has_new_entry = user.grace is not None or connection.chosen_ms > 0
        if user.grace is not None:
            user.grace.cancel()
            user.grace = None
        user.connections[connection] = None
        self._update_local(user, has_new_entry=has_new_entry)

    def disconnected(self, connection: Connection) -> None:
        """Remove a connection; called while `Connection.joined` is still complete."""
        user = self._users.get(connection.user_id)
        if user is None or connection not in user.connections:
            return
        del user.connections[connection]
        user.remember_rooms(connection.joined)
        user.remember_choice(connection)
        if user.connections:
            self._update_local(user)
        elif user.grace is None:
            user.grace = self._clock.call_later(self._grace_s, self._end_grace, user)
            self._publish_entry(user)

    def joined(self, user_id: str, room: str) -> None:
        """Announce that a connection of the user has joined a conversation, unless its members know of the user."""
        user = self._users.get(user_id)
        if user is None:
            return  # disconnected meanwhile
        is_known = room in user.announced_rooms()
        user.announce(room)
        if is_known:
            return
        if user_id not in self._remote.users_in(room):
            self._observer.user_joined(user.presence(), room)
        self._publish_membership(user, room)

    def left(self, user_id: str, room: str) -> None:
        """Announce that the user's last connection in a conversation has left it and stays connected."""
        if (user := self._users.get(user_id)) is not None:
            self._publish_membership(user, room)

    def choose(self, connection: Connection, choice: PresenceChoice) -> None:
        """Set the user's choice of online, away or busy on this connection."""
        if connection.choose(choice, self._clock.now_ms()):
            self._update_local(self._users[connection.user_id], has_new_entry=True)

    def of(self, user_id: str) -> Presence:
        """Return a user's presence; a user not known here counts as offline from now on."""
        user = self._users.get(user_id)
        if user is None:
            return Presence(user_id=user_id, status="offline", timestamp=format_timestamp(self._clock.now_ms()))
        return user.presence()

    async def of_all(self, user_ids: Iterable[str], room: str | None = None) -> list[Presence]:
        """Return the presence of these users, each once, and of remote users in a conversation.

        Users not known here are looked up on the other servers; if that is impossible they count as offline.
        """
        wanted = dict.fromkeys(user_ids)
        if room is not None:
            wanted.update(dict.fromkeys(self._remote.users_in(room)))
        unknown = [user_id for user_id in wanted if user_id not in self._users]
        found = await self._cluster.presence_of(unknown) or {}
        self._add_found(found)
        return [self._of_unknown(user_id, found.get(user_id)) or self.of(user_id) for user_id in wanted]

    async def look_up(self, user_ids: Collection[str]) -> None:
        """Read the other servers' entries of users that one of them has reported for the first time."""
        self._add_found(await self._cluster.presence_of(user_ids) or {})

    async def look_up_agents(self) -> None:
        """Read the agents on other servers, for a client that subscribes to an inbox."""
        found: dict[str, list[RemotePresenceEntry]] = {}
        for origin, entry in await self._cluster.agents() or ():
            found.setdefault(entry.user.user_id, []).append(RemotePresenceEntry(origin, entry))
        self._add_found(found)

    def agents(self) -> list[str]:
        """Return the ids of the known agents that are not offline."""
        return [user_id for user_id, user in self._users.items() if user.user.role == "admin"]

    async def is_any_agent_online(self) -> bool:
        """Return whether an agent is online on any server; the others are queried only if there is none here."""
        if any(user.user.role == "admin" and user.status == "online" for user in self._users.values()):
            return True
        return any(entry.status == "online" for _, entry in await self._cluster.agents() or ())

    def is_online(self, user_id: str) -> bool:
        """Return whether the user is known to be online or within the grace."""
        return user_id in self._users

    async def is_online_anywhere(self, user_id: str) -> bool | None:
        """Return whether the user is connected to any server; None if the other servers cannot be queried."""
        if user_id in self._users:
            return True
        found = await self._cluster.presence_of([user_id])
        return None if found is None else bool(found[user_id])

    def is_in_grace(self, user_id: str) -> bool:
        """Return whether the grace after the user's last connection here is running."""
        user = self._users.get(user_id)
        return user is not None and user.grace is not None

    def apply_remote(self, origin: str, entry: PresenceEntry) -> bool:
        """Apply another server's entry; return whether the user was unknown before."""
        user_id = entry.user.user_id
        known = self._remote.entries_of(user_id).get(origin)
        if known is not None and known.since_ms > entry.since_ms:
            return False
        was_unknown = user_id not in self._users
        rooms = self._remote.rooms_of(user_id)
        self._remote.put(origin, entry)
        if not self._is_visible(user_id, rooms if entry.status == "offline" else self._remote.rooms_of(user_id)):
            self._forget_invisible(user_id)
            if entry.status == "offline" and was_unknown:
                self._send_unknown_offline(entry)
            return False
        user = self._get_or_add(entry.user)
        announced = rooms | user.announced_rooms()
        if entry.status == "offline":
            user.remember_rooms(rooms)  # the user may still be online here, without having joined them
        if not self._update(user, rooms | user.rooms()) and entry.status != "offline":
            for room in entry.rooms:
                if room not in announced and self._observer.is_hosted(room):
                    self._observer.user_joined(user.presence(), room)
        return was_unknown

    def server_gone(self, origin: str) -> None:
        """Start the grace of an ended server's users, after which they are offline unless they reconnected."""
        lost = list(self._remote.of_server(origin))
        if lost:
            if (earlier := self._lost_servers.pop(origin, None)) is not None:
                earlier.cancel()
            self._lost_servers[origin] = self._clock.call_later(self._grace_s, self._remove_server, origin, lost)

    def local_entries_of(self, user_ids: Iterable[str]) -> list[PresenceEntry]:
        """Return this server's entries of these users."""
        found = (self._users.get(user_id) for user_id in dict.fromkeys(user_ids))
        return [user.entry() for user in found if user is not None and user.local_status != "offline"]

    def local_entries(self) -> list[PresenceEntry]:
        """Return this server's entries of all its users."""
        return self.local_entries_of(list(self._users))

    def remote_users(self) -> list[str]:
        """Return the ids of the users whom other servers have reported."""
        return self._remote.users()

    def replace_remote(
        self, found: Mapping[str, list[RemotePresenceEntry]], servers: Collection[str] | None = None
    ) -> None:
        """Replace the known entries of users by those just read; entries of servers not in ``servers`` are kept."""
        for user_id, entries in found.items():
            origins = {origin for origin, _ in entries}
            for known_origin, known in list(self._remote.entries_of(user_id).items()):
                if known_origin not in origins and (servers is None or known_origin in servers):
                    self._remove(known_origin, [known])
            for origin, entry in entries:
                self.apply_remote(origin, entry)

    def room_ended(self, room: str) -> None:
        """Forget remote users who were visible only in a conversation that is no longer hosted here."""
        for user_id in self._remote.users_in(room):
            self._forget_invisible(user_id)
        for user_id in list(self._left_rooms_of):
            self._unsubscribe_unused(user_id)

    def inbox_ended(self) -> None:
        """Forget remote users who were visible only to inbox subscribers, after the last of them here has left."""
        for user_id in self._remote.users():
            self._forget_invisible(user_id)

    def close(self) -> None:
        """Cancel the timers; no further change is sent."""
        for user in self._users.values():
            if user.grace is not None:
                user.grace.cancel()
        for timer in self._lost_servers.values():
            timer.cancel()
        self._users.clear()

    def _is_online_here(self, user_id: str) -> bool:
        user = self._users.get(user_id)
        return user is not None and user.local_status != "offline"

    def _is_visible(self, user_id: str, rooms: Iterable[str]) -> bool:
        """Return whether a client here may see a user who has joined these conversations on other servers."""
        if self._observer.has_subscribers() or user_id in self._expected or self._is_online_here(user_id):
            return True
        return any(map(self._observer.is_hosted, rooms)) or self._has_left_room(user_id)

    def _has_left_room(self, user_id: str) -> bool:
        """Return whether members of a conversation that the user has left here still see the user online."""
        user = self._users.get(user_id) if user_id in self._left_rooms_of else None
        return user is not None and any(map(self._observer.is_hosted, user.last_rooms))

    def _get_or_add(self, user: User) -> UserPresence:
        known = self._users.get(user.user_id)
        if known is None:
            known = self._users[user.user_id] = UserPresence(user, self._clock.now_ms())
        return known

    def _add_found(self, found: Mapping[str, Iterable[RemotePresenceEntry]]) -> None:
        """Add entries read from the bus, unless a newer notification arrived."""
        for user_id, entries in found.items():
            is_known = user_id in self._users
            for origin, entry in entries:
                known = self._remote.entries_of(user_id).get(origin)
                if not is_known:
                    self._remote.put(origin, entry)
                elif known is None or is_newer(entry, known):
                    self.apply_remote(origin, entry)
            if not is_known:
                self._add_remote_user(user_id)

    def _add_remote_user(self, user_id: str) -> None:
        """Add a user who is connected to other servers only, and announce the user to the conversations joined there.

        The members here do not know the user yet, and a later join here is not announced, because the user is known.
        """
        entries, rooms = self._remote.entries_of(user_id).values(), self._remote.rooms_of(user_id)
        if entries and self._is_visible(user_id, rooms):
            user = self._get_or_add(next(iter(entries)).user)
            user.merge(entries, self._clock.now_ms())
            for room in rooms:
                if self._observer.is_hosted(room):
                    self._observer.user_joined(user.presence(), room)
        else:
            self._remote.forget(user_id)

    def _of_unknown(self, user_id: str, found: list[RemotePresenceEntry] | None) -> Presence | None:
        """Return the presence of a user who is visible to no client here, from the entries just read."""
        if user_id in self._users or not found:
            return None
        status, since_ms = merge((entry.status, entry.since_ms) for _, entry in found)
        return Presence(user_id=user_id, status=status, timestamp=format_timestamp(since_ms))

    def _publish_entry(self, user: UserPresence) -> None:
        self._cluster.store_presence(user.entry(), notify_user=self._is_remote(user))

    def _publish_membership(self, user: UserPresence, room: str) -> None:
        self._cluster.publish_membership(room, user.entry(), notify_user=self._is_remote(user))

    def _is_remote(self, user: UserPresence) -> bool:
        return bool(self._remote.entries_of(user.user.user_id))

    def _update_local(self, user: UserPresence, *, has_new_entry: bool = False) -> None:
        rooms = user.rooms() | self._remote.rooms_of(user.user.user_id)
        if user.update_local(self._clock.now_ms()):
            self._cluster.publish_presence(user.entry(), rooms)
        elif has_new_entry:
            self._publish_entry(user)
        self._update(user, rooms)

    def _update(self, user: UserPresence, rooms: Collection[str]) -> bool:
        """Merge the status and notify the observer of a change; ``rooms`` are those that received the previous one."""
        user_id = user.user.user_id
        has_changed = user.merge(self._remote.entries_of(user_id).values(), self._clock.now_ms())
        if user.status == "offline":
            del self._users[user_id]
            if self._left_rooms_of.pop(user_id, "") is None:
                self._cluster.unsubscribe_user(user_id)
        if has_changed:
            self._observer.status_changed(user.presence(), {*rooms, *self._remote.rooms_of(user_id)})
            if user.status == "offline":
                self._absences.user_offline(user.user)
        return has_changed

    def _end_grace(self, user: UserPresence) -> None:
        rooms = user.rooms() | self._remote.rooms_of(user.user.user_id)
        user.grace = None
        user.closed_choices.clear()
        user.update_local(self._clock.now_ms())
        self._cluster.publish_presence(user.entry(), rooms)
        self._update(user, rooms)
        if user.status == "offline":
            user.last_rooms.clear()
        else:
            self._left_rooms_of[user.user.user_id] = None
        self._unsubscribe_unused(user.user.user_id)

    def _send_unknown_offline(self, entry: PresenceEntry) -> None:
        """Notify members of conversations that an unknown user had joined: a client that moved here may show the user.

        Such a client saw the user online on another server, and came here after the user's last connection had ended.
        """
        presence = Presence(user_id=entry.user.user_id, status="offline", timestamp=format_timestamp(entry.since_ms))
        self._observer.status_changed(presence, entry.rooms)

    def _remove_server(self, origin: str, entries: list[PresenceEntry]) -> None:
        del self._lost_servers[origin]
        self._remove(origin, entries)

    def _remove(self, origin: str, entries: Iterable[PresenceEntry]) -> None:
        """Remove entries of a server, except those that the server has replaced since."""
        for entry in entries:
            user_id = entry.user.user_id
            if self._remote.entries_of(user_id).get(origin) is entry:
                user = self._users[user_id]
                rooms = user.rooms() | self._remote.rooms_of(user_id)
                self._remote.remove(origin, user_id)
                self._update(user, rooms)

    def _unsubscribe_unused(self, user_id: str) -> None:
        """Unsubscribe from the channel of a user who is neither connected here nor about to be."""
        if user_id in self._expected or self._is_online_here(user_id):
            self._left_rooms_of.pop(user_id, None)
        elif not self._has_left_room(user_id):
            self._left_rooms_of.pop(user_id, None)
            self._cluster.unsubscribe_user(user_id)
            self._forget_invisible(user_id)

    def _forget_invisible(self, user_id: str) -> None:
        """Forget a remote user who is no longer visible to any client here."""
        if self._is_visible(user_id, self._remote.rooms_of(user_id)):
            return
        self._remote.forget(user_id)
        self._users.pop(user_id, None)
