"""Notes on their way to Redis: a bounded queue that drops the oldest, and what has become too old."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chatws.bus.messages import MAX_NOTE_BYTES, Envelope

if TYPE_CHECKING:
    from chatws.bus.interface import BusStats
    from chatws.bus.messages import Note

MAX_NOTES = 10_000

MAX_AGE_MS = 5_000
"""After the time of a sweep the database has told; the flood of what piled up would only delay what is new."""

_encode = msgspec.json.Encoder().encode


class PublishQueue:
    """The queue; ``clock_ms`` gives Unix milliseconds."""

    def __init__(self, origin: str, stats: BusStats, clock_ms: Callable[[], int]) -> None:
        self._origin = origin
        self._stats = stats
        self._clock_ms = clock_ms
        self._notes: deque[tuple[str, Envelope]] = deque()

    def put(self, channel: str, note: Note) -> None:
        """Queue a note."""
        envelope = Envelope(origin=self._origin, sent_ms=self._clock_ms(), note=note)
        self._notes.append((channel, envelope))
        if len(self._notes) > MAX_NOTES:
            self._notes.popleft()
            self._stats.dropped += 1
        self._drop_old()

    def take(self, limit: int) -> list[tuple[str, bytes]]:
        """Remove up to ``limit`` notes that are still fresh, as channel and JSON."""
        self._drop_old()
        taken: list[tuple[str, bytes]] = []
        while self._notes and len(taken) < limit:
            channel, envelope = self._notes.popleft()
            written = _encode(envelope)
            if len(written) > MAX_NOTE_BYTES:
                self._stats.dropped += 1
            else:
                taken.append((channel, written))
        self._stats.queued = len(self._notes)
        return taken

    def _drop_old(self) -> None:
        oldest = self._clock_ms() - MAX_AGE_MS
        while self._notes and self._notes[0][1].sent_ms < oldest:
            self._notes.popleft()
            self._stats.dropped += 1
        self._stats.queued = len(self._notes)
