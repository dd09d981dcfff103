"""What an answer means for the request it belongs to: done, again later, or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from chatws.client.core.backoff import retry_delay_s
from chatws.client.core.cursor import ConversationCursor
from chatws.client.core.effects import Deliver, Effect, Resolve
from chatws.client.core.event_names import Command, Event
from chatws.client.core.outbox import Outbox, OutboxEntry
from chatws.client.core.requests import InFlightRequest, PendingCall, WaitingCalls
from chatws.client.errors import ClientError, ConnectionLost, RequestRefused
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import Failed
from chatws.protocol.responses import HistoryAck, InboxAck, JoinAck, Ok, SendAck

if TYPE_CHECKING:
    from chatws.client.core.cursors import ConversationCursors
    from chatws.client.core.stats import ClientCounters
    from chatws.protocol.responses import Refused as RefusedReply

SILENT = frozenset({Command.TYPING_START, Command.TYPING_STOP, Command.LEAVE_CONVERSATION})
"""Nobody is told when one of these is refused: the server's own expiry and the link's end do the same."""


class AckHandler:
    """Applies answers, refusals, missing answers and lost links to rooms, outbox and calls."""

    def __init__(
        self, rooms: ConversationCursors, outbox: Outbox, waiting: WaitingCalls, tally: ClientCounters
    ) -> None:
        self._rooms = rooms
        self._outbox = outbox
        self._waiting = waiting
        self._tally = tally

    def accepted(self, flight: InFlightRequest, reply: Ok) -> list[Effect]:
        """The server did it."""
        subject = flight.subject
        match subject, reply:
            case OutboxEntry(), SendAck() if self._outbox.settle(subject):
                self._tally.delivered += 1
                return [Resolve(subject.request_id, reply)]
            case ConversationCursor(), JoinAck() if self._rooms.is_current(subject):
                return self._rooms.hear_join(subject, reply)
            case ConversationCursor(), HistoryAck() if self._rooms.is_current(subject):
                return self._rooms.hear_history(subject, reply)
            case PendingCall(), _:
                return self._done(subject, reply)
        return []

    def refused(self, flight: InFlightRequest, reply: RefusedReply, now: float) -> list[Effect]:
        """The server did not do it, for now or for good."""
        error = RequestRefused.from_reply(reply)
        after_ms = None if reply.error.retry_after_ms is UNSET else reply.error.retry_after_ms
        subject = flight.subject
        if subject is None:
            return [] if flight.name in SILENT else self._tell(error, flight.name)
        again_at = now + retry_delay_s(subject.attempts, after_ms)
        match subject:
            case OutboxEntry():
                return self._refused_message(subject, error, again_at, retryable=reply.error.retryable)
            case ConversationCursor():
                return self._refused_room(subject, flight.name, error, again_at, retryable=reply.error.retryable)
            case PendingCall():
                if reply.error.retryable and subject.repeat:
                    self._waiting.put_back(subject, again_at)
                    return []
                return self._failed(subject, error)

    def missing(self, flight: InFlightRequest, now: float) -> list[Effect]:
        """No answer came in time: the outcome is unknown, so what may be repeated is."""
        match flight.subject:
            case OutboxEntry() as entry:
                self._outbox.postpone(entry, now)
            case ConversationCursor() as room:
                room.asking = False
            case PendingCall():
                return self.lost(flight)
        return []

    def lost(self, flight: InFlightRequest) -> list[Effect]:
        """The link ended before the answer; rooms and outbox start over by themselves."""
        call = flight.subject
        if not isinstance(call, PendingCall):
            return []
        if call.repeat:
            self._waiting.put_back(call, 0.0)
            return []
        return self._failed(call, ConnectionLost(call.name))

    def fail_pending(self, flights: list[InFlightRequest], error: ClientError) -> list[Effect]:
        """The client is over: settle whatever is open."""
        calls = [
            flight.subject for flight in flights if isinstance(flight.subject, PendingCall)
        ] + self._waiting.take_all()
        entries = self._outbox.clear()
        self._tally.failed += len(entries)
        settled: list[Effect] = [Resolve(call.request_id, error) for call in calls if call.request_id is not None]
        return settled + [Resolve(entry.request_id, error) for entry in entries]

    def _done(self, call: PendingCall, reply: Ok) -> list[Effect]:
        told: list[Effect] = []
        if isinstance(reply, InboxAck):
            told.append(Deliver(Event.INBOX_LOADED, reply))
            told += self._rooms.others.replace_presence(reply.presence)
        if call.request_id is not None:
            told.append(Resolve(call.request_id, reply))
        return told

    def _refused_message(
        self, entry: OutboxEntry, error: RequestRefused, again_at: float, *, retryable: bool
    ) -> list[Effect]:
        if retryable or (error.code is ErrorCode.NOT_JOINED and self._rooms.rejoin(entry.conversation_id)):
            self._outbox.postpone(entry, again_at)
            return []
        if not self._outbox.settle(entry):
            return []
        self._tally.failed += 1
        return [Resolve(entry.request_id, error)]

    def _refused_room(
        self, room: ConversationCursor, name: str, error: RequestRefused, again_at: float, *, retryable: bool
    ) -> list[Effect]:
        if not self._rooms.is_current(room):
            return []
        if retryable or (name == Command.HISTORY and error.code is ErrorCode.NOT_JOINED):
            room.joined = room.joined and retryable
            room.asking = False
            room.not_before = again_at
            return []
        told = [] if room.waiters else self._tell(error, name)
        return told + self._rooms.forget(room.conversation_id, error)

    def _failed(self, call: PendingCall, error: ClientError) -> list[Effect]:
        if call.request_id is not None:
            return [Resolve(call.request_id, error)]
        return self._tell(error, call.name) if isinstance(error, RequestRefused) else []

    def _tell(self, error: RequestRefused, name: str) -> list[Effect]:
        self._tally.errors += 1
        return [Deliver(Event.ERROR, Failed(message=error.message, code=error.code, event=name))]
