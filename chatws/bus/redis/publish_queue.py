"""Bounded queue of messages to publish; it drops the oldest message when full, and messages that are too old."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from chatws.bus.messages import MAX_MESSAGE_BYTES, Envelope

if TYPE_CHECKING:
    from chatws.bus.interface import BusStats
    from chatws.bus.messages import BusMessage

MAX_QUEUED = 10_000

MAX_AGE_MS = 5_000
"""Age at which the reconciliation with the database has made a message redundant; it would only delay new ones."""

_encode = msgspec.json.Encoder().encode


class PublishQueue:
    """Queue of messages of one origin; ``clock_ms`` returns Unix milliseconds."""

    def __init__(self, origin: str, stats: BusStats, clock_ms: Callable[[], int]) -> None:
        self._origin = origin
        self._stats = stats
        self._clock_ms = clock_ms
        self._messages: deque[tuple[str, Envelope]] = deque()

    def put(self, channel: str, message: BusMessage) -> None:
        """Queue a message."""
        envelope = Envelope(origin=self._origin, sent_ms=self._clock_ms(), message=message)
        self._messages.append((channel, envelope))
        if len(self._messages) > MAX_QUEUED:
            self._messages.popleft()
            self._stats.dropped += 1
        self._drop_old()

    def take(self, limit: int) -> list[tuple[str, bytes]]:
        """Remove up to ``limit`` messages that are not too old, as channel and JSON."""
        self._drop_old()
        taken: list[tuple[str, bytes]] = []
        while self._messages and len(taken) < limit:
            channel, envelope = self._messages.popleft()
            payload = _encode(envelope)
            if len(payload) > MAX_MESSAGE_BYTES:
                self._stats.dropped += 1
            else:
                taken.append((channel, payload))
        self._stats.queued = len(self._messages)
        return taken

    def _drop_old(self) -> None:
        oldest_ms = self._clock_ms() - MAX_AGE_MS
        while self._messages and self._messages[0][1].sent_ms < oldest_ms:
            self._messages.popleft()
            self._stats.dropped += 1
        self._stats.queued = len(self._messages)
