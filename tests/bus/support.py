"""Recording listener, and distinguishable messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chatws.bus import PresenceEntry, Revoked, conversation_channel
from chatws.protocol.entities import PresenceStatus, Role, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.bus import BusMessage

TIMEOUT_S = 30.0

ROOM = conversation_channel("c-1")


def message(number: int) -> Revoked:
    """Return a message identified by its number."""
    return Revoked(user_id=f"user-{number}")


def entry(user_id: str, status: PresenceStatus = "online", role: Role = "customer") -> PresenceEntry:
    """Return a presence entry."""
    user = User(user_id=user_id, user_name=user_id.title(), role=role)
    return PresenceEntry(user=user, status=status, since_ms=1_000, rooms=("c-1",))


class RecordingBusListener:
    """Listener that stores everything it receives, with methods to wait for it."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[str, str, BusMessage]] = []
        self.gone: list[str] = []
        self.resumes = 0
        self._changed = asyncio.Event()

    @property
    def messages(self) -> list[BusMessage]:
        return [message for _, _, message in self.deliveries]

    def received(self, channel: str, origin: str, message: BusMessage) -> None:
        self.deliveries.append((channel, origin, message))
        self._changed.set()

    def resumed(self) -> None:
        self.resumes += 1
        self._changed.set()

    def server_gone(self, origin: str) -> None:
        self.gone.append(origin)
        self._changed.set()

    async def resumed_by(self, times: int = 1) -> None:
        """Wait until the bus has resumed this many times."""
        await self.until(lambda: self.resumes >= times)

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until a received message or event makes the condition true.

        The condition is checked once for all messages of one read: a check per message of a long queue would block the
        event loop, with the servers in it, for longer than their leases.
        """
        async with asyncio.timeout(TIMEOUT_S):
            while not reached():
                self._changed.clear()
                await self._changed.wait()
