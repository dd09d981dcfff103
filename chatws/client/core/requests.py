"""In-flight requests, which wait for an ack, and calls that wait for a connection."""

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
"""Time after which a request fails without an ack (contract, rule 2)."""


@dataclass(slots=True)
class PendingCall:
    """Request of the user, or one that the session repeats after a reconnect (``request_id`` None).

    With ``repeat`` the request is idempotent, and is repeated until it is acknowledged.
    """

    request_id: int | None
    name: str
    payload: Wire | str
    repeat: bool
    attempts: int = 0
    not_before: float = 0.0


RequestSubject = OutboxEntry | ConversationCursor | PendingCall | None
"""Object that an ack is applied to; None when the ack is ignored."""


class InFlightRequest(msgspec.Struct, frozen=True):
    """Request that was sent and is not acknowledged."""

    name: str
    subject: RequestSubject
    sent_at: float


class InFlightRequests:
    """In-flight requests by command id."""

    def __init__(self) -> None:
        self._next_id = 0
        self._requests: dict[int, InFlightRequest] = {}

    def add(self, name: str, subject: RequestSubject, now: float) -> int:
        """Register a request and return its command id."""
        self._next_id += 1
        self._requests[self._next_id] = InFlightRequest(name, subject, now)
        return self._next_id

    def take(self, command_id: int) -> InFlightRequest | None:
        """Remove and return the request of an ack; None when it has timed out."""
        return self._requests.pop(command_id, None)

    def take_overdue(self, now: float) -> list[InFlightRequest]:
        """Remove and return the requests that have timed out."""
        overdue = []
        for command_id, request in list(self._requests.items()):
            # The requests are in order of time: the first one within its timeout ends the search.
            if request.sent_at + ACK_TIMEOUT_S > now:
                break
            overdue.append(self._requests.pop(command_id))
        return overdue

    def has(self, name: str) -> bool:
        """Return whether a request of this name is in flight."""
        return any(request.name == name for request in self._requests.values())

    def take_all(self) -> list[InFlightRequest]:
        """Remove and return all requests."""
        requests = list(self._requests.values())
        self._requests.clear()
        return requests

    def next_deadline(self) -> float | None:
        """Return when the first request times out."""
        first = next(iter(self._requests.values()), None)
        return None if first is None else first.sent_at + ACK_TIMEOUT_S


class WaitingCalls:
    """Bounded queue of calls that wait for a connection or for a retry."""

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
        """Queue a call that was in flight, not before ``until``; the limit does not apply again."""
        call.not_before = until
        self._calls.append(call)

    def take_ready(self, now: float) -> list[PendingCall]:
        """Remove and return the calls that are due."""
        if not self._calls:
            return []
        ready = [call for call in self._calls if call.not_before <= now]
        if ready:
            self._calls = [call for call in self._calls if call.not_before > now]
        return ready

    def take_all(self) -> list[PendingCall]:
        """Remove and return all calls."""
        calls, self._calls = self._calls, []
        return calls

    def deadlines(self) -> Iterator[float]:
        """Return when postponed calls may be sent."""
        return (call.not_before for call in self._calls)

    def has(self, name: str) -> bool:
        """Return whether a call of this name is queued."""
        return any(call.name == name for call in self._calls)
