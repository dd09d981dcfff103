"""What is known of one user's presence, and how the parts of several servers make one status."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from chatws.bus import PresenceEntry
from chatws.protocol.entities import Presence, PresenceChoice, PresenceStatus, User
from chatws.protocol.ids import format_timestamp
from chatws.server.connections.registry import Connection

_BY_WEIGHT: tuple[PresenceStatus, ...] = ("busy", "online", "away")


class UserPresence:
    """One user who is online somewhere, or was a moment ago."""

    __slots__ = (
        "choice",
        "connections",
        "departure",
        "here",
        "here_since_ms",
        "last_rooms",
        "since_ms",
        "status",
        "user",
    )

    def __init__(self, user: User, now_ms: int) -> None:
        self.user = user
        self.connections: set[Connection] = set()
        self.choice: PresenceChoice = "online"
        """The user's latest choice; a connection that comes back within the grace takes it over."""
        self.here: PresenceStatus = "offline"
        """What the connections here make of it."""
        self.here_since_ms = now_ms
        self.status: PresenceStatus = "offline"
        """What all servers together make of it; the audience knows it."""
        self.since_ms = now_ms
        self.last_rooms: dict[str, None] = {}
        """Conversations of connections that have gone, the latest last; their members hear of the departure, too."""
        self.departure: asyncio.TimerHandle | None = None
        """Set during the grace after the last connection here has gone."""

    def rooms(self) -> set[str]:
        """Return the conversations whose members see the user by what happens here."""
        return {joined for connection in self.connections for joined in connection.joined} | self.last_rooms.keys()

    def part(self) -> PresenceEntry:
        """Write what this server contributes."""
        rooms = tuple(sorted(self.rooms()))
        return PresenceEntry(
            user=self.user,
            status=self.here,
            since_ms=self.here_since_ms,
            rooms=rooms,
            is_leaving=self.departure is not None,
        )

    def contribute(self, now_ms: int) -> bool:
        """Work out what the connections here make of it; returns whether that is news."""
        choices = {connection.choice for connection in self.connections}
        here: PresenceStatus = next((status for status in _BY_WEIGHT if status in choices), "offline")
        if here == self.here:
            return False
        self.here, self.here_since_ms = here, max(now_ms, self.here_since_ms)
        return True

    def merge(self, parts: Iterable[PresenceEntry], now_ms: int) -> bool:
        """Work out what it is with the other servers' parts; returns whether that is news."""
        status, since_ms = merge([(self.here, self.here_since_ms), *((part.status, part.since_ms) for part in parts)])
        if status == self.status:
            return False
        is_new = self.status == "offline" or since_ms > self.since_ms
        self.status, self.since_ms = status, since_ms if is_new and status != "offline" else now_ms
        return True

    def take_over_choice(self, parts: Collection[PresenceEntry]) -> None:
        """Let a connection that comes here within the grace, which runs elsewhere, have the choice made there."""
        if parts and self.here == "offline" and all(part.is_leaving for part in parts):
            status, _ = merge((part.status, part.since_ms) for part in parts)
            self.choice = "online" if status == "offline" else status

    def presence(self) -> Presence:
        """Write it for clients."""
        return Presence(user_id=self.user.user_id, status=self.status, timestamp=format_timestamp(self.since_ms))


def merge(parts: Iterable[tuple[PresenceStatus, int]]) -> tuple[PresenceStatus, int]:
    """Return the status that goes before the others, and since when a part has had it: busy, online, away, offline."""
    since: dict[PresenceStatus, int] = {}
    for status, since_ms in parts:
        since[status] = min(since_ms, since.get(status, since_ms))
    best: PresenceStatus = next((one for one in _BY_WEIGHT if one in since), "offline")
    return best, since.get(best, 0)
