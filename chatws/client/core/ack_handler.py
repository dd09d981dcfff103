"""Effect of replies on their requests: completed, retried later, or failed."""

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

UNREPORTED = frozenset({Command.TYPING_START, Command.TYPING_STOP, Command.LEAVE_CONVERSATION})
"""Commands whose refusal is not reported: they expire on the server, at the latest with the connection."""


class AckHandler:
    """Applies acks, refusals, timeouts and lost connections to cursors, outbox and calls."""

    def __init__(
        self, cursors: ConversationCursors, outbox: Outbox, waiting: WaitingCalls, counters: ClientCounters
    ) -> None:
        self._cursors = cursors
        self._outbox = outbox
        self._waiting = waiting
        self._counters = counters

    def accepted(self, request: InFlightRequest, reply: Ok) -> list[Effect]:
        """Apply a successful ack."""
        subject = request.subject
        match subject, reply:
            case OutboxEntry(), SendAck() if self._outbox.remove(subject):
                self._counters.delivered += 1
                return [Resolve(subject.request_id, reply)]
            case ConversationCursor(), JoinAck() if self._cursors.is_current(subject):
                return self._cursors.apply_join(subject, reply)
            case ConversationCursor(), HistoryAck() if self._cursors.is_current(subject):
                return self._cursors.apply_history(subject, reply)
            case PendingCall(), _:
                return self._done(subject, reply)
        return []

    def refused(self, request: InFlightRequest, reply: RefusedReply, now: float) -> list[Effect]:
        """Apply a refusal, which is retryable or final."""
        error = RequestRefused.from_reply(reply)
        after_ms = None if reply.error.retry_after_ms is UNSET else reply.error.retry_after_ms
        subject = request.subject
        if subject is None:
            return [] if request.name in UNREPORTED else self._report(error, request.name)
        retry_at = now + retry_delay_s(subject.attempts, after_ms)
        match subject:
            case OutboxEntry():
                return self._refused_message(subject, error, retry_at, retryable=reply.error.retryable)
            case ConversationCursor():
                return self._refused_cursor(subject, request.name, error, retry_at, retryable=reply.error.retryable)
            case PendingCall():
                if reply.error.retryable and subject.repeat:
                    self._waiting.put_back(subject, retry_at)
                    return []
                return self._failed(subject, error)

    def timed_out(self, request: InFlightRequest, now: float) -> list[Effect]:
        """Repeat a request whose outcome is unknown after a timeout; a call that must not be repeated fails."""
        match request.subject:
            case OutboxEntry() as entry:
                self._outbox.postpone(entry, now)
            case ConversationCursor() as cursor:
                cursor.is_requesting = False
            case PendingCall():
                return self.disconnected(request)
        return []

    def disconnected(self, request: InFlightRequest) -> list[Effect]:
        """Repeat or fail a call whose connection ended; cursors and outbox keep their own requests for a retry."""
        call = request.subject
        if not isinstance(call, PendingCall):
            return []
        if call.repeat:
            self._waiting.put_back(call, 0.0)
            return []
        return self._failed(call, ConnectionLost(call.name))

    def fail_pending(self, requests: list[InFlightRequest], error: ClientError) -> list[Effect]:
        """Resolve every open call and message with an error."""
        calls = [
            request.subject for request in requests if isinstance(request.subject, PendingCall)
        ] + self._waiting.take_all()
        entries = self._outbox.clear()
        self._counters.failed += len(entries)
        resolved: list[Effect] = [Resolve(call.request_id, error) for call in calls if call.request_id is not None]
        return resolved + [Resolve(entry.request_id, error) for entry in entries]

    def _done(self, call: PendingCall, reply: Ok) -> list[Effect]:
        effects: list[Effect] = []
        if isinstance(reply, InboxAck):
            effects.append(Deliver(Event.INBOX_LOADED, reply))
            effects += self._cursors.peers.replace_presence(reply.presence)
        if call.request_id is not None:
            effects.append(Resolve(call.request_id, reply))
        return effects

    def _refused_message(
        self, entry: OutboxEntry, error: RequestRefused, retry_at: float, *, retryable: bool
    ) -> list[Effect]:
        if retryable or (error.code is ErrorCode.NOT_JOINED and self._cursors.rejoin(entry.conversation_id)):
            self._outbox.postpone(entry, retry_at)
            return []
        if not self._outbox.remove(entry):
            return []
        self._counters.failed += 1
        return [Resolve(entry.request_id, error)]

    def _refused_cursor(
        self, cursor: ConversationCursor, name: str, error: RequestRefused, retry_at: float, *, retryable: bool
    ) -> list[Effect]:
        if not self._cursors.is_current(cursor):
            return []
        if retryable or (name == Command.HISTORY and error.code is ErrorCode.NOT_JOINED):
            cursor.joined = cursor.joined and retryable
            cursor.is_requesting = False
            cursor.not_before = retry_at
            return []
        reported = [] if cursor.waiters else self._report(error, name)
        return reported + self._cursors.leave(cursor.conversation_id, error)

    def _failed(self, call: PendingCall, error: ClientError) -> list[Effect]:
        if call.request_id is not None:
            return [Resolve(call.request_id, error)]
        return self._report(error, call.name) if isinstance(error, RequestRefused) else []

    def _report(self, error: RequestRefused, name: str) -> list[Effect]:
        self._counters.errors += 1
        return [Deliver(Event.ERROR, Failed(message=error.message, code=error.code, event=name))]
