"""Presence of one user, merged from the connections here and the entries of other servers."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from chatws.bus import PresenceEntry
from chatws.protocol.entities import Presence, PresenceChoice, PresenceStatus, User
from chatws.protocol.ids import format_timestamp
from chatws.server.connections.registry import Connection

MAX_LAST_ROOMS = 200
"""Bounds `UserPresence.last_rooms` for users who never go offline."""

_BY_PRECEDENCE: tuple[PresenceStatus, ...] = ("busy", "online", "away")


class UserPresence:
    """One user who is online on some server, or in the grace after the last disconnect."""

    __slots__ = (
        "choice",
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
        self.connections: set[Connection] = set()
        self.choice: PresenceChoice = "online"
        """The user's latest choice; the first connection within the grace adopts it."""
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
        return self.joined_rooms() | self.last_rooms.keys()

    def joined_rooms(self) -> set[str]:
        """Return the conversations that open connections here have joined: all their members know the user."""
        return {joined for connection in self.connections for joined in connection.joined}

    def entry(self) -> PresenceEntry:
        """Return this server's entry for the other servers."""
        rooms = tuple(sorted(self.rooms()))
        return PresenceEntry(
            user=self.user,
            status=self.local_status,
            since_ms=self.local_since_ms,
            rooms=rooms,
            is_leaving=self.grace is not None,
        )

    def update_local(self, now_ms: int) -> bool:
        """Derive the local status from the connections here; return whether it has changed."""
        choices = {connection.choice for connection in self.connections}
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

    def take_over_choice(self, entries: Collection[PresenceEntry]) -> None:
        """Adopt the choice made on another server for a connection that moves here within the grace running there."""
        if entries and self.local_status == "offline" and all(entry.is_leaving for entry in entries):
            status, _ = merge((entry.status, entry.since_ms) for entry in entries)
            self.choice = "online" if status == "offline" else status

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
