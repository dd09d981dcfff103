"""Adapter of a namespace: its sockets, its rooms, and broadcasts to them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from collections.abc import Set as AbstractSet
from typing import Generic, Protocol, TypeVar

from chatws.engine.codec import EventCodec


class RoomMember(Hashable, Protocol):
    """Receiver of broadcasts."""

    def deliver(self, chunk: bytes) -> None:
        """Send encoded frames."""


MemberT = TypeVar("MemberT", bound=RoomMember)


class Adapter(Generic[MemberT]):
    """Connected sockets by id, and room members by room name; a room exists while it has a member.

    Joining and leaving cost O(1); a socket stores the names of its own rooms.
    """

    def __init__(self) -> None:
        self.sockets: dict[str, MemberT] = {}
        self._rooms: dict[str, set[MemberT]] = {}

    @property
    def room_count(self) -> int:
        """Number of rooms that have a member."""
        return len(self._rooms)

    def add(self, room: str, member: MemberT) -> None:
        """Add a member to a room."""
        members = self._rooms.get(room)
        if members is None:
            self._rooms[room] = {member}
        else:
            members.add(member)

    def remove(self, room: str, member: MemberT) -> None:
        """Remove a member from a room, and the room with its last member."""
        members = self._rooms.get(room)
        if members is not None:
            members.discard(member)
            if not members:
                del self._rooms[room]

    def members(self, room: str) -> set[MemberT] | frozenset[MemberT]:
        """Return the live set of a room's members; valid until the next await."""
        return self._rooms.get(room, frozenset())

    def union(self, rooms: Iterable[str]) -> set[MemberT]:
        """Return the members of at least one of the rooms."""
        return {member for room in rooms for member in self.members(room)}


class BroadcastOperator(Generic[MemberT]):
    """Selection of receivers of one event, which is encoded once; each method that selects returns a new operator."""

    __slots__ = ("_adapter", "_codec", "_except_members", "_except_rooms", "_rooms", "_single_room")

    def __init__(
        self,
        adapter: Adapter[MemberT],
        codec: EventCodec,
        rooms: tuple[str, ...] = (),
        except_rooms: tuple[str, ...] = (),
        except_members: frozenset[MemberT] = frozenset(),
    ) -> None:
        self._adapter = adapter
        self._codec = codec
        self._rooms = rooms
        self._except_rooms = except_rooms
        self._except_members = except_members
        # Set if the receivers are the members of one room, as for nearly all broadcasts.
        self._single_room = rooms[0] if len(rooms) == 1 and not except_rooms and not except_members else None

    def to(self, *rooms: str) -> BroadcastOperator[MemberT]:
        """Add rooms."""
        return self._select(self._rooms + rooms, self._except_rooms, self._except_members)

    def except_room(self, *rooms: str) -> BroadcastOperator[MemberT]:
        """Exclude the members of these rooms."""
        return self._select(self._rooms, self._except_rooms + rooms, self._except_members)

    def except_sockets(self, sockets: Iterable[MemberT]) -> BroadcastOperator[MemberT]:
        """Exclude these sockets."""
        return self._select(self._rooms, self._except_rooms, self._except_members | frozenset(sockets))

    def emit(self, name: str, *args: object) -> int:
        """Send the event once to each selected socket, or to all if no room is selected; return their number.

        Raises:
            TypeError: an argument cannot be encoded as JSON.
        """
        receivers = self._receivers()
        if not receivers:
            return 0
        chunk = self._codec.event(name, args)
        for member in receivers:
            member.deliver(chunk)
        return len(receivers)

    def _select(
        self, rooms: tuple[str, ...], except_rooms: tuple[str, ...], except_members: frozenset[MemberT]
    ) -> BroadcastOperator[MemberT]:
        return BroadcastOperator(self._adapter, self._codec, rooms, except_rooms, except_members)

    def _receivers(self) -> AbstractSet[MemberT]:
        adapter = self._adapter
        if self._single_room is not None:
            return adapter.members(self._single_room)
        selected = adapter.union(self._rooms) if self._rooms else set(adapter.sockets.values())
        return selected - adapter.union(self._except_rooms) - self._except_members
