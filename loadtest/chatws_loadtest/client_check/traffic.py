"""Record of everything that the client under test sends, with waits for entries that are still to come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum

import msgspec


class TrafficKind(StrEnum):
    """Kind of an entry."""

    ATTEMPT = "attempt"
    """Request that opens an Engine.IO session; ``name`` is its transport."""
    CONNECTED = "connected"
    """CONNECT that was accepted; ``payload`` has the credentials."""
    REFUSED = "refused"
    """CONNECT that was refused; ``payload`` has the credentials."""
    ENDED = "ended"
    """End of a connection."""
    REQUEST = "request"
    """Event of the client; ``name`` and ``payload`` are those of the event."""
    ACCEPTED = "accepted"
    """Message of the client that was stored and acked; ``payload`` is that of the request."""


class TrafficEntry(msgspec.Struct, frozen=True):
    """Entry of the record; ``connection`` is the id of the socket, and empty for an attempt."""

    number: int
    at_s: float
    kind: TrafficKind
    connection: str = ""
    name: str = ""
    payload: object = None

    @property
    def content(self) -> object:
        """Content of a message; None for other requests."""
        return self.payload.get("content") if isinstance(self.payload, dict) else None

    @property
    def client_message_id(self) -> object:
        """Id that the client gave to a message; None if it gave none."""
        return self.payload.get("clientMessageId") if isinstance(self.payload, dict) else None

    @property
    def conversation_id(self) -> str:
        """Conversation of a request; empty if it names none."""
        found = self.payload.get("conversationId") if isinstance(self.payload, dict) else self.payload
        return found if isinstance(found, str) else ""


Matches = Callable[[TrafficEntry], bool]


class Traffic:
    """Entries in the order of their arrival, on the monotonic clock."""

    def __init__(self) -> None:
        self.entries: list[TrafficEntry] = []
        self._added = asyncio.Event()

    def add(self, kind: TrafficKind, connection: str = "", name: str = "", payload: object = None) -> TrafficEntry:
        """Append an entry, and wake the waits."""
        entry = TrafficEntry(len(self.entries), time.monotonic(), kind, connection, name, payload)
        self.entries.append(entry)
        self._added.set()
        return entry

    @property
    def mark(self) -> int:
        """Position behind the last entry: a later entry has this number or a higher one."""
        return len(self.entries)

    def select(self, kind: TrafficKind, since: int = 0, name: str | None = None) -> list[TrafficEntry]:
        """Return the entries of a kind, and of a name, from a position on."""
        return [entry for entry in self.entries[since:] if entry.kind is kind and (name is None or entry.name == name)]

    async def find(self, matches: Matches, since: int, within_s: float) -> TrafficEntry | None:
        """Return the first matching entry from a position on, or None if there is none in time."""
        position = since
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for entry in self.entries[position:]:
                        if matches(entry):
                            return entry
                    position = max(position, self.mark)
                    self._added.clear()
                    await self._added.wait()
        except TimeoutError:
            return None


def session_attempts(entries: list[TrafficEntry], fallback_s: float) -> list[TrafficEntry]:
    """Return the attempts to open a session, without those with another transport within ``fallback_s`` after one."""
    counted: list[TrafficEntry] = []
    # Attempt before, unless it was itself a fallback.
    first: TrafficEntry | None = None
    for entry in entries:
        if entry.kind is TrafficKind.ATTEMPT:
            if first is not None and first.name != entry.name and entry.at_s - first.at_s < fallback_s:
                first = None
            else:
                counted.append(entry)
                first = entry
    return counted
