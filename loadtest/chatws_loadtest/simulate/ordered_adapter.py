"""Adapter whose rooms keep the order of joining: the order of a set differs from process to process."""

from __future__ import annotations

from collections.abc import Iterable

from chatws.engine import Namespace, Socket
from chatws.engine.adapter import Adapter


class OrderedAdapter(Adapter[Socket]):
    """Rooms as dictionaries, whose keys serve as the sets of the base class."""

    def __init__(self) -> None:
        super().__init__()
        self._ordered: dict[str, dict[Socket, None]] = {}

    @property
    def room_count(self) -> int:
        """Number of rooms that have a member."""
        return len(self._ordered)

    def add(self, room: str, member: Socket) -> None:
        """Add a member to a room."""
        self._ordered.setdefault(room, {})[member] = None

    def remove(self, room: str, member: Socket) -> None:
        """Remove a member from a room, and the room with its last member."""
        members = self._ordered.get(room)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._ordered[room]

    def members(self, room: str) -> set[Socket]:
        """Return the members of a room in the order of joining."""
        return self._ordered.get(room, {}).keys()  # type: ignore[return-value]  # a set in all but its type

    def union(self, rooms: Iterable[str]) -> set[Socket]:
        """Return the members of at least one of the rooms."""
        return {member for room in rooms for member in self.members(room)}


def keep_order(namespace: Namespace) -> Namespace:
    """Replace the adapter of a new namespace."""
    namespace.adapter = OrderedAdapter()
    namespace.sockets = namespace.adapter.sockets
    return namespace
