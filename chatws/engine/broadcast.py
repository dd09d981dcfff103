"""One event to many sockets: encoded once, each socket at most once."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatws.engine.namespace import Namespace
    from chatws.engine.socket import Socket


class BroadcastOperator:
    """Chosen receivers; choosing more gives a new object."""

    __slots__ = ("_namespace", "_rooms", "_without_rooms", "_without_sockets")

    def __init__(
        self,
        namespace: Namespace,
        rooms: tuple[str, ...] = (),
        without_rooms: tuple[str, ...] = (),
        without_sockets: frozenset[Socket] = frozenset(),
    ) -> None:
        self._namespace = namespace
        self._rooms = rooms
        self._without_rooms = without_rooms
        self._without_sockets = without_sockets

    def to(self, *rooms: str) -> BroadcastOperator:
        """Add rooms."""
        return BroadcastOperator(self._namespace, self._rooms + rooms, self._without_rooms, self._without_sockets)

    def except_room(self, *rooms: str) -> BroadcastOperator:
        """Leave out everybody in these rooms."""
        return BroadcastOperator(self._namespace, self._rooms, self._without_rooms + rooms, self._without_sockets)

    def except_sockets(self, sockets: Iterable[Socket]) -> BroadcastOperator:
        """Leave out these sockets."""
        without = self._without_sockets | frozenset(sockets)
        return BroadcastOperator(self._namespace, self._rooms, self._without_rooms, without)

    def emit(self, name: str, *args: object) -> int:
        """Send the event to the chosen sockets, without rooms to all; gives their number."""
        receivers = self._receivers()
        if not receivers:
            return 0
        chunk = self._namespace.codec.event(name, args)
        for socket in receivers:
            socket.deliver(chunk)
        return len(receivers)

    def _receivers(self) -> AbstractSet[Socket]:
        rooms = self._namespace.rooms
        if len(self._rooms) == 1 and not self._without_rooms and not self._without_sockets:
            return rooms.members(self._rooms[0])
        chosen = rooms.union(self._rooms) if self._rooms else set(self._namespace.sockets.values())
        return chosen - rooms.union(self._without_rooms) - self._without_sockets
