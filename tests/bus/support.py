"""What a server hears, written down, and notes to tell apart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chatws.bus import PresenceEntry, Revoked
from chatws.protocol.entities import PresenceStatus, Role, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatws.bus import Note

PATIENCE_S = 30.0


def note(number: int) -> Revoked:
    """Make a note that is told from others by its number."""
    return Revoked(user_id=f"user-{number}")


def part(user_id: str, status: PresenceStatus = "online", role: Role = "customer") -> PresenceEntry:
    """Make a presence part."""
    user = User(user_id=user_id, user_name=user_id.title(), role=role)
    return PresenceEntry(user=user, status=status, since_ms=1_000, rooms=("c-1",))


class Recorder:
    """A receiver that keeps everything, and lets a test wait for what it needs."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[str, str, Note]] = []
        self.gone: list[str] = []
        self.resumes = 0
        self._changed = asyncio.Condition()
        self._notifying: set[asyncio.Task[None]] = set()

    @property
    def notes(self) -> list[Note]:
        return [note for _, _, note in self.arrivals]

    def received(self, channel: str, origin: str, note: Note) -> None:
        self.arrivals.append((channel, origin, note))
        self._notify()

    def resumed(self) -> None:
        self.resumes += 1
        self._notify()

    def server_gone(self, origin: str) -> None:
        self.gone.append(origin)
        self._notify()

    async def resumed_by(self, times: int = 1) -> None:
        """Wait until the bus has resumed so many times."""
        await self.until(lambda: self.resumes >= times)

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until something received makes this true."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(reached)

    def _notify(self) -> None:
        task = asyncio.create_task(self._wake())
        self._notifying.add(task)
        task.add_done_callback(self._notifying.discard)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()
