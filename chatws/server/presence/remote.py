"""Presence reported by other servers, indexed by user and by conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from chatws.bus import PresenceEntry

_NO_ENTRIES: Final[Mapping[str, PresenceEntry]] = MappingProxyType({})
_NO_USERS: Final[frozenset[str]] = frozenset()


class RemotePresence:
    """Table of presence entries; finding the users of a conversation costs no more than their number."""

    def __init__(self) -> None:
        self._by_user: dict[str, dict[str, PresenceEntry]] = {}
        self._users_by_room: dict[str, set[str]] = {}

    def entries_of(self, user_id: str) -> Mapping[str, PresenceEntry]:
        """Return a user's entries by server."""
        return self._by_user.get(user_id, _NO_ENTRIES)

    def users(self) -> list[str]:
        """Return the ids of all users with an entry."""
        return list(self._by_user)

    def rooms_of(self, user_id: str) -> set[str]:
        """Return the conversations that the user has joined on any other server."""
        return {room for entry in self.entries_of(user_id).values() for room in entry.rooms}

    def users_in(self, conversation_id: str) -> frozenset[str]:
        """Return the users who have joined a conversation on another server."""
        return frozenset(self._users_by_room.get(conversation_id, _NO_USERS))

    def of_server(self, origin: str) -> Iterator[PresenceEntry]:
        """Iterate over the entries of one server; the cost is proportional to the number of users."""
        return (entries[origin] for entries in self._by_user.values() if origin in entries)

    def put(self, origin: str, entry: PresenceEntry) -> None:
        """Replace a server's entry of a user; ``offline`` removes it."""
        user_id = entry.user.user_id
        self.remove(origin, user_id)
        if entry.status == "offline":
            return
        self._by_user.setdefault(user_id, {})[origin] = entry
        for room in entry.rooms:
            self._users_by_room.setdefault(room, set()).add(user_id)

    def remove(self, origin: str, user_id: str) -> None:
        """Remove a server's entry of a user."""
        entries = self._by_user.get(user_id)
        if entries is None or (removed := entries.pop(origin, None)) is None:
            return
        if not entries:
            del self._by_user[user_id]
        for room in set(removed.rooms) - self.rooms_of(user_id):
            self._remove_from_room(room, user_id)

    def forget(self, user_id: str) -> None:
        """Remove every entry of a user."""
        for origin in list(self.entries_of(user_id)):
            self.remove(origin, user_id)

    def _remove_from_room(self, room: str, user_id: str) -> None:
        users = self._users_by_room[room]
        users.discard(user_id)
        if not users:
            del self._users_by_room[room]
