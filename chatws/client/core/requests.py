"""Requests that have left and wait for their ack, and those that wait for a link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from chatws.client.core.cursor import ConversationCursor
from chatws.client.core.outbox import OutboxEntry
from chatws.client.errors import OutboxFull

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatws.protocol.entities import Wire

ACK_TIMEOUT_S = 10.0
"""Contract, rule 2: an answer comes within this time or not at all."""


@dataclass(slots=True)
class PendingCall:
    """A request of the user, or one the session remembers for it (``request_id`` None).

    ``repeat``: sending it twice does no harm, so it is repeated until it is answered.
    """

    request_id: int | None
    name: str
    payload: Wire | str
    repeat: bool
    attempts: int = 0
    not_before: float = 0.0


Subject = OutboxEntry | ConversationCursor | PendingCall | None
"""What an ack is about; None when nobody waits for it."""


class InFlightRequest(msgspec.Struct, frozen=True):
    """One request under way."""

    name: str
    subject: Subject
    sent_at: float


class InFlightRequests:
    """Requests under way by command id."""

    def __init__(self) -> None:
        self._next_id = 0
        self._flights: dict[int, InFlightRequest] = {}

    def depart(self, name: str, subject: Subject, now: float) -> int:
        """Register a request and give its command id."""
        self._next_id += 1
        self._flights[self._next_id] = InFlightRequest(name, subject, now)
        return self._next_id

    def land(self, command_id: int) -> InFlightRequest | None:
        """Take the request an ack belongs to; None when it was given up before."""
        return self._flights.pop(command_id, None)

    def take_overdue(self, now: float) -> list[InFlightRequest]:
        """Take the requests whose answer did not come in time."""
        overdue = []
        for command_id, flight in list(self._flights.items()):
            # Registered in order of time, so the first one in time ends the search.
            if flight.sent_at + ACK_TIMEOUT_S > now:
                break
            overdue.append(self._flights.pop(command_id))
        return overdue

    def take_all(self) -> list[InFlightRequest]:
        """The link is gone: take everything."""
        flights = list(self._flights.values())
        self._flights.clear()
        return flights

    def next_deadline(self) -> float | None:
        """When the first answer is overdue."""
        first = next(iter(self._flights.values()), None)
        return None if first is None else first.sent_at + ACK_TIMEOUT_S


class WaitingCalls:
    """A bounded queue of calls that wait for a link or for their time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._calls: list[PendingCall] = []

    def add(self, call: PendingCall) -> None:
        """Queue a call.

        Raises:
            OutboxFull: the limit is reached.
        """
        if len(self._calls) >= self._limit:
            raise OutboxFull(self._limit)
        self._calls.append(call)

    def put_back(self, call: PendingCall, until: float) -> None:
        """Queue a call that was under way; it counts against no limit a second time."""
        call.not_before = until
        self._calls.append(call)

    def take_ready(self, now: float) -> list[PendingCall]:
        """Take the calls whose time has come."""
        if not self._calls:
            return []
        ready = [call for call in self._calls if call.not_before <= now]
        if ready:
            self._calls = [call for call in self._calls if call.not_before > now]
        return ready

    def take_all(self) -> list[PendingCall]:
        """Take everything."""
        calls, self._calls = self._calls, []
        return calls

    def deadlines(self) -> Iterator[float]:
        """When postponed calls may leave."""
        return (call.not_before for call in self._calls)

    def has(self, name: str) -> bool:
        """Whether a call of this name waits."""
        return any(call.name == name for call in self._calls)
