"""Who is online: one status per user over all of the user's connections, offline only after a grace."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from chatws.protocol.entities import Presence, PresenceChoice, PresenceStatus, User
from chatws.protocol.ids import format_timestamp
from chatws.server.clock import Clock
from chatws.server.hosting import room_name

if TYPE_CHECKING:
    from chatws.server.connections import Connection

MAX_LAST_ROOMS = 200
"""Somebody who never goes offline passes through any number of rooms."""

Show = Callable[[Presence, list[str]], None]
"""Tells the members of these rooms, and the inbox, of a user's presence."""


class Record:
    """One user who is online or was a moment ago."""

    __slots__ = ("choice", "connections", "departure", "last_rooms", "since_ms", "status", "user")

    def __init__(self, user: User, now_ms: int) -> None:
        self.user = user
        self.connections: set[Connection] = set()
        self.choice: PresenceChoice = "online"
        """The user's latest choice; a connection that comes back within the grace takes it over."""
        self.status: PresenceStatus = "offline"
        self.since_ms = now_ms
        self.last_rooms: dict[str, None] = {}
        """Rooms of connections that have gone, the latest last; their members hear of the departure, too."""
        self.departure: asyncio.TimerHandle | None = None
        """Set during the grace after the last connection has gone."""


class PresenceBook:
    """The presence of every user who is connected to this server."""

    def __init__(self, grace_ms: int, clock: Clock, show: Show) -> None:
        self._grace_s = grace_ms / 1000
        self._clock = clock
        self._show = show
        self._gone: Callable[[User], None] | None = None
        """Called when a user has gone offline for everybody; set once, when the server starts."""
        self._records: dict[str, Record] = {}

    def on_gone(self, gone: Callable[[User], None]) -> None:
        """Have this called when a user has gone offline."""
        self._gone = gone

    def arrive(self, connection: Connection) -> None:
        """A user's connection was authenticated."""
        assert connection.identity is not None
        user = connection.identity.user
        record = self._records.get(user.user_id)
        if record is None:
            record = self._records[user.user_id] = Record(user, self._clock.now_ms())
        if record.departure is not None:
            record.departure.cancel()
            record.departure = None
        connection.choice = "online" if record.connections else record.choice
        record.connections.add(connection)
        self._settle(record)

    def depart(self, connection: Connection) -> None:
        """A connection has gone; call it before its rooms are forgotten."""
        record = self._records.get(connection.user_id)
        if record is None or connection not in record.connections:
            return
        record.connections.discard(connection)
        for room in map(room_name, connection.joined):
            record.last_rooms.pop(room, None)
            record.last_rooms[room] = None
        for room in list(record.last_rooms)[:-MAX_LAST_ROOMS]:
            del record.last_rooms[room]
        if record.connections:
            self._settle(record)
        elif record.departure is None:
            loop = asyncio.get_running_loop()
            record.departure = loop.call_later(self._grace_s, self._leave, record)

    def choose(self, connection: Connection, choice: PresenceChoice) -> None:
        """The user chose online, away or busy on this connection."""
        record = self._records[connection.user_id]
        connection.choice = record.choice = choice
        self._settle(record)

    def of(self, user_id: str) -> Presence:
        """Return a user's presence; offline since now for somebody not known here."""
        record = self._records.get(user_id)
        if record is None:
            return Presence(user_id=user_id, status="offline", timestamp=format_timestamp(self._clock.now_ms()))
        return _presence(record)

    def of_all(self, user_ids: Iterable[str]) -> list[Presence]:
        """Return the presence of several users, each once."""
        return [self.of(user_id) for user_id in dict.fromkeys(user_ids)]

    def agents(self) -> list[str]:
        """Return the ids of the agents who are not offline."""
        return [user_id for user_id, record in self._records.items() if record.user.role == "admin"]

    def is_online(self, user_id: str) -> bool:
        """Whether the user is connected, or was within the grace."""
        return user_id in self._records

    def is_waiting(self, user_id: str) -> bool:
        """Whether the user's last connection has just gone and the grace is running."""
        record = self._records.get(user_id)
        return record is not None and record.departure is not None

    def close(self) -> None:
        """Cancel the timers; nothing more is shown."""
        for record in self._records.values():
            if record.departure is not None:
                record.departure.cancel()
        self._records.clear()

    def _leave(self, record: Record) -> None:
        del self._records[record.user.user_id]
        record.status, record.since_ms = "offline", self._clock.now_ms()
        self._show(_presence(record), sorted(record.last_rooms))
        if self._gone is not None:
            self._gone(record.user)

    def _settle(self, record: Record) -> None:
        choices = {connection.choice for connection in record.connections}
        status: PresenceStatus = "busy" if "busy" in choices else "online" if "online" in choices else "away"
        if status == record.status:
            return
        record.status, record.since_ms = status, self._clock.now_ms()
        rooms = {room_name(joined) for connection in record.connections for joined in connection.joined}
        self._show(_presence(record), sorted(rooms | record.last_rooms.keys()))


def _presence(record: Record) -> Presence:
    return Presence(user_id=record.user.user_id, status=record.status, timestamp=format_timestamp(record.since_ms))
