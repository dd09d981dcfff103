"""Who is in which room of a namespace; a room exists while somebody is in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.engine.socket import Socket


class Adapter:
    """Room name to members. Joining and leaving cost O(1); a socket knows its own rooms."""

    def __init__(self) -> None:
        self._members: dict[str, set[Socket]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def add(self, room: str, socket: Socket) -> None:
        """Put a socket in."""
        members = self._members.get(room)
        if members is None:
            self._members[room] = {socket}
        else:
            members.add(socket)

    def remove(self, room: str, socket: Socket) -> None:
        """Take a socket out; an empty room is forgotten."""
        members = self._members.get(room)
        if members is not None:
            members.discard(socket)
            if not members:
                del self._members[room]

    def members(self, room: str) -> set[Socket] | frozenset[Socket]:
        """Give the live set, to be read without awaiting in between."""
        return self._members.get(room, frozenset())

    def union(self, rooms: Iterable[str]) -> set[Socket]:
        """Give everybody who is in at least one of the rooms."""
        return {socket for room in rooms for socket in self.members(room)}
