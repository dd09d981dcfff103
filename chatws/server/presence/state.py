"""Presence of one user, merged from the connections here and the entries of other servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from operator import attrgetter

from chatws.bus import ClientChoice, PresenceEntry
from chatws.protocol.entities import Presence, PresenceStatus, User
from chatws.protocol.ids import format_timestamp
from chatws.server.connections.registry import Connection

MAX_LAST_ROOMS = 200
"""Bounds `UserPresence.last_rooms` for users who never go offline."""

MAX_CLOSED_CHOICES = 20
"""Bounds `UserPresence.closed_choices` for the same users."""

_BY_PRECEDENCE: tuple[PresenceStatus, ...] = ("busy", "online", "away")


class UserPresence:
    """One user who is online on some server, or in the grace after the last disconnect."""

    __slots__ = (
        "closed_choices",
        "connections",
        "grace",
        "last_rooms",
        "local_since_ms",
        "local_status",
        "since_ms",
        "status",
        "user",
    )

    def __init__(self, user: User, now_ms: int) -> None:
        self.user = user
        self.connections: dict[Connection, None] = {}
        """Open connections, in the order in which they were authenticated."""
        self.closed_choices: list[ClientChoice] = []
        """Choices on closed connections, the latest connection last; a client takes its own over when it returns."""
        self.local_status: PresenceStatus = "offline"
        """Status derived from the connections here."""
        self.local_since_ms = now_ms
        self.status: PresenceStatus = "offline"
        """Status over all servers, as last sent to the observer."""
        self.since_ms = now_ms
        self.last_rooms: dict[str, None] = {}
        """Conversations of closed connections, the latest last; their members also receive ``offline``."""
        self.grace: asyncio.TimerHandle | None = None
        """Set during the grace after the last connection here has closed."""

    def remember_rooms(self, rooms: Iterable[str]) -> None:
        """Add the conversations of a closed connection to the last rooms."""
        for room in rooms:
            self.last_rooms.pop(room, None)
            self.last_rooms[room] = None
        for room in list(self.last_rooms)[:-MAX_LAST_ROOMS]:
            del self.last_rooms[room]

    def rooms(self) -> set[str]:
        """Return the conversations whose members see the user because of connections here."""
        return self.last_rooms.keys() | {joined for connection in self.connections for joined in connection.joined}

    def announced_rooms(self) -> set[str]:
        """Return the conversations joined by open connections here whose members know the user."""
        return {
            room for connection in self.connections for room, is_announced in connection.joined.items() if is_announced
        }

    def announce(self, room: str) -> None:
        """Record that the members of a conversation joined here know the user."""
        for connection in self.connections:
            if room in connection.joined:
                connection.joined[room] = True

    def entry(self) -> PresenceEntry:
        """Return this server's entry for the other servers."""
        rooms = tuple(sorted(self.rooms()))
        return PresenceEntry(
            user=self.user,
            status=self.local_status,
            since_ms=self.local_since_ms,
            rooms=rooms,
            is_leaving=self.grace is not None,
            choices=tuple(sorted(self.choices(), key=attrgetter("chosen_ms", "pids"))),
        )

    def update_local(self, now_ms: int) -> bool:
        """Derive the local status from the connections here; return whether it has changed."""
        choices = {connection.choice for connection in self._latest_of_each_client()}
        local: PresenceStatus = next((status for status in _BY_PRECEDENCE if status in choices), "offline")
        if local == self.local_status:
            return False
        self.local_status, self.local_since_ms = local, max(now_ms, self.local_since_ms)
        return True

    def merge(self, entries: Iterable[PresenceEntry], now_ms: int) -> bool:
        """Merge the local status with the other servers' entries; return whether the status has changed."""
        remote = ((entry.status, entry.since_ms) for entry in entries)
        status, since_ms = merge([(self.local_status, self.local_since_ms), *remote])
        if status == self.status:
            return False
        is_new = self.status == "offline" or since_ms > self.since_ms
        self.status, self.since_ms = status, since_ms if is_new and status != "offline" else now_ms
        return True

    def choices(self) -> list[ClientChoice]:
        """Return the choices on open connections here, and on closed ones whose clients may return."""
        chosen = (connection for connection in self.connections if connection.chosen_ms)
        return [*self.closed_choices, *map(_choice_on, chosen)]

    def remember_choice(self, connection: Connection) -> None:
        """Keep the choice on a closed connection for the next connection of its client."""
        if connection.chosen_ms:
            self.closed_choices = [*self.closed_choices, _choice_on(connection)][-MAX_CLOSED_CHOICES:]

    def take_over_choice(self, connection: Connection, entries: Iterable[PresenceEntry]) -> None:
        """Continue with the latest choice of the client of a new connection, made here or on another server.

        A choice belongs to the client that ``pid`` names: no other device of the user takes it over, so servers need
        not agree on the device that returned first.
        """
        pid = connection.previous_pid
        made = [*self.choices(), *(choice for entry in entries for choice in entry.choices)]
        own = [choice for choice in made if pid in choice.pids]
        if own:
            latest = max(own, key=attrgetter("chosen_ms"))
            connection.choice, connection.chosen_ms = latest.status, latest.chosen_ms
            self.closed_choices = [choice for choice in self.closed_choices if pid not in choice.pids]

    def _latest_of_each_client(self) -> Iterator[Connection]:
        """Yield the connections whose client has no later one: the network may have lost an open one long ago."""
        returned: set[str] = set()
        for connection in reversed(self.connections):
            if connection.socket.pid not in returned:
                yield connection
            if connection.previous_pid is not None:
                returned.add(connection.previous_pid)

    def presence(self) -> Presence:
        """Return the presence in the form sent to clients."""
        return Presence(user_id=self.user.user_id, status=self.status, timestamp=format_timestamp(self.since_ms))


def merge(statuses: Iterable[tuple[PresenceStatus, int]]) -> tuple[PresenceStatus, int]:
    """Return the status of highest precedence (busy, online, away, offline) and the earliest time of that status."""
    since: dict[PresenceStatus, int] = {}
    for status, since_ms in statuses:
        since[status] = min(since_ms, since.get(status, since_ms))
    best: PresenceStatus = next((status for status in _BY_PRECEDENCE if status in since), "offline")
    return best, since.get(best, 0)


def is_newer(entry: PresenceEntry, known: PresenceEntry) -> bool:
    """Return whether one of two entries of a user, both from the same server, is later than the other."""
    return _order_of(entry) > _order_of(known)


def _order_of(entry: PresenceEntry) -> tuple[int, int, bool]:
    return entry.since_ms, max((choice.chosen_ms for choice in entry.choices), default=0), entry.is_leaving


def _choice_on(connection: Connection) -> ClientChoice:
    pids = dict.fromkeys(pid for pid in (connection.socket.pid, connection.previous_pid) if pid is not None)
    return ClientChoice(pids=tuple(pids), status=connection.choice, chosen_ms=connection.chosen_ms)
