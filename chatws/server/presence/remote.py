"""Where users stand on other servers, as those have told it: a table of their parts, by user and by conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from chatws.bus import PresenceEntry

_NONE: Final[Mapping[str, PresenceEntry]] = MappingProxyType({})
_NOBODY: Final[frozenset[str]] = frozenset()


class RemotePresence:
    """The parts by user and server; finding the users in a conversation costs no more than there are."""

    def __init__(self) -> None:
        self._by_user: dict[str, dict[str, PresenceEntry]] = {}
        self._in_room: dict[str, set[str]] = {}

    def parts_of(self, user_id: str) -> Mapping[str, PresenceEntry]:
        """Return a user's parts by server."""
        return self._by_user.get(user_id, _NONE)

    def users(self) -> list[str]:
        """Return the ids of all users with a part."""
        return list(self._by_user)

    def rooms_of(self, user_id: str) -> set[str]:
        """Return the conversations that the user has joined on any other server."""
        return {room for part in self.parts_of(user_id).values() for room in part.rooms}

    def users_in(self, conversation_id: str) -> frozenset[str]:
        """Return the users who have joined a conversation on another server."""
        return frozenset(self._in_room.get(conversation_id, _NOBODY))

    def of_server(self, origin: str) -> Iterator[PresenceEntry]:
        """Give one server's parts; it looks at every user."""
        return (parts[origin] for parts in self._by_user.values() if origin in parts)

    def put(self, origin: str, part: PresenceEntry) -> None:
        """Remember a server's part of a user in place of the one before; ``offline`` is none."""
        user_id = part.user.user_id
        self.remove(origin, user_id)
        if part.status == "offline":
            return
        self._by_user.setdefault(user_id, {})[origin] = part
        for room in part.rooms:
            self._in_room.setdefault(room, set()).add(user_id)

    def remove(self, origin: str, user_id: str) -> None:
        """Forget a server's part of a user."""
        parts = self._by_user.get(user_id)
        if parts is None or (gone := parts.pop(origin, None)) is None:
            return
        if not parts:
            del self._by_user[user_id]
        for room in set(gone.rooms) - self.rooms_of(user_id):
            self._leave(room, user_id)

    def forget(self, user_id: str) -> None:
        """Forget every part of a user."""
        for origin in list(self.parts_of(user_id)):
            self.remove(origin, user_id)

    def _leave(self, room: str, user_id: str) -> None:
        members = self._in_room[room]
        members.discard(user_id)
        if not members:
            del self._in_room[room]
