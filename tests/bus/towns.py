"""Several servers' buses of one kind: a town, in which each can be cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from chatws.bus import MemoryHub
from tests.bus.support import Recorder

if TYPE_CHECKING:
    from chatws.bus import Bus, MemoryBus


class Member:
    """One server: its bus and what it has heard."""

    def __init__(self, bus: Bus, heard: Recorder) -> None:
        self.bus = bus
        self.heard = heard

    @property
    def origin(self) -> str:
        return self.bus.origin


class Town(Protocol):
    """Where members come from; ``close`` ends those that are still open."""

    async def member(self) -> Member: ...

    async def cut(self, member: Member) -> None:
        """Take a member's link away."""

    async def restore(self, member: Member) -> None:
        """Give it back."""

    async def close(self) -> None: ...


class MemoryTown:
    """Members of one hub."""

    def __init__(self) -> None:
        self._hub = MemoryHub()
        self._buses: dict[str, MemoryBus] = {}

    async def member(self) -> Member:
        bus = self._hub.bus()
        self._buses[bus.origin] = bus
        heard = Recorder()
        await bus.open(heard)
        return Member(bus, heard)

    async def cut(self, member: Member) -> None:
        self._buses[member.origin].cut()

    async def restore(self, member: Member) -> None:
        self._buses[member.origin].restore()

    async def close(self) -> None:
        for bus in self._buses.values():
            await bus.close()
