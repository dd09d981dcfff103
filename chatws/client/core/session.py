"""Session of a client: the inputs from connection, clock and user, and the effects of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatws.client.core.ack_handler import AckHandler
from chatws.client.core.connection import USER_REASON, ConnectionLifecycle, ConnectionPhase
from chatws.client.core.cursors import ConversationCursors
from chatws.client.core.effects import ConnectionEnd, Deliver, Drop, Effect, Emit, MessageSent, RenewToken, Resolve
from chatws.client.core.event_names import Command, Event
from chatws.client.core.outbox import Outbox, OutboxEntry
from chatws.client.core.requests import InFlightRequests, PendingCall, RequestSubject, WaitingCalls
from chatws.client.core.stats import ClientCounters, ClientStats
from chatws.client.core.typing_throttle import TypingThrottle
from chatws.client.errors import ClientError, ConnectionLost, Disconnected
from chatws.protocol import events
from chatws.protocol.commands import RefreshToken
from chatws.protocol.entities import Message, Presence
from chatws.protocol.errors import ErrorCode
from chatws.protocol.responses import Refused as RefusedReply

if TYPE_CHECKING:
    from random import Random

    from chatws.protocol.entities import Wire
    from chatws.protocol.responses import Ok

RESENT_ON_RECONNECT = frozenset({Command.SET_PRESENCE, Command.SUBSCRIBE_INBOX})
"""Commands whose last payload is sent again on every new connection."""

_SEND_MESSAGE = Command.SEND_MESSAGE
"""Read for every message, see `connection._UP`."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Limits and choices of a session."""

    renewable: bool = False
    """Whether the user can provide a fresh token."""
    max_attempts: int | None = None
    retry_first_connect: bool = False
    max_outbox: int = 1_000


class ChatSession:
    """Chat client without I/O.

    Every method is an input and returns its effects in order; ``now`` is a monotonic time in seconds. After each input
    the driver reads `next_deadline` and calls `tick` by then.

    Guarantees: the messages of a joined conversation are delivered once each, by ``seq``, across connections; a posted
    message is retried under its own id until the server stores or finally refuses it; every request is resolved once.
    """

    def __init__(self, rng: Random, options: SessionOptions) -> None:
        self.connection = ConnectionLifecycle(
            rng,
            renewable=options.renewable,
            max_attempts=options.max_attempts,
            retry_first=options.retry_first_connect,
        )
        self._renewable = options.renewable
        self._cursors = ConversationCursors()
        self._outbox = Outbox(options.max_outbox)
        self._waiting = WaitingCalls(options.max_outbox)
        self._in_flight = InFlightRequests()
        self._typing = TypingThrottle()
        self._counters = ClientCounters()
        self._ack_handler = AckHandler(self._cursors, self._outbox, self._waiting, self._counters)
        self._resent_calls: dict[str, PendingCall] = {}
        self._connecting: int | None = None
        """Request that waits for the first connection."""
        self._renewing = False
        self._last_received_at = 0.0
        self._last_flush_at = 0.0
        """Time of the last search for due requests."""
        self._presence_complete_at: float | None = None
        """Time at which users whom this connection has not reported count as offline; None before all has been joined.

        A server that has just begun to host a conversation learns its members on other servers a moment later.
        """
        self._effects: list[Effect] = []

    def stats(self, now: float) -> ClientStats:
        """Return the statistics so far."""
        opened_at = self.connection.opened_at
        return self._counters.snapshot(
            uptime_s=self.connection.uptime_s + (0.0 if opened_at is None else now - opened_at),
            pending=len(self._outbox),
            reconnects=self.connection.reconnects,
            cursors=self._cursors,
        )

    def next_deadline(self) -> float | None:
        """Return when `tick` has to be called at the latest; None if nothing is pending."""
        first = self._in_flight.next_deadline()
        for time in (self.connection.drain_deadline, self._presence_complete_at):
            if time is not None and (first is None or time < first):
                first = time
        if self.connection.is_up:
            # Requests due before the last flush were sent by it, or wait for an ack or a join.
            for times in (self._outbox.deadlines(), self._waiting.deadlines(), self._cursors.deadlines()):
                for time in times:
                    if time > self._last_flush_at and (first is None or time < first):
                        first = time
        return first

    # Inputs from the connection and the clock

    def connection_opened(self, user: events.Authenticated, now: float) -> list[Effect]:
        """Process an authenticated connection."""
        if self.connection.phase is not ConnectionPhase.CONNECTING:
            return []
        self._last_received_at = now
        self._effects += [*self.connection.opened(user, now), Deliver(Event.AUTHENTICATED, user)]
        self._typing.resend_s = user.timers.typing_resend_ms / 1000
        if self._connecting is not None:
            self._effects.append(Resolve(self._connecting, user))
            self._connecting = None
        for name, call in self._resent_calls.items():
            if not self._waiting.has(name):
                self._waiting.put_back(PendingCall(None, name, call.payload, repeat=True), 0.0)
        return self._finish(now)

    def connection_ended(self, end: ConnectionEnd, now: float) -> list[Effect]:
        """Process the end of a connection, or of an attempt to open one."""
        self._renewing = False
        self._presence_complete_at = None
        self._typing.disconnect()
        self._effects += self._cursors.disconnect()
        self._outbox.disconnect()
        for request in self._in_flight.take_all():
            self._effects += self._ack_handler.disconnected(request)
        self._effects += self.connection.ended(end, now)
        if self.connection.failure is not None:
            self._fail_all(self.connection.failure)
        return self._finish(now)

    def event(self, name: str, payload: object, now: float) -> list[Effect]:
        """Process an event; ``payload`` is the contract's struct, or parsed JSON for an event outside the contract."""
        self._last_received_at = now
        match payload:
            case Message():
                delivered = self._cursors.advance(payload)
                if delivered is not None:
                    # Such a message makes no request due: `_finish` is not needed.
                    return delivered
                self._effects += self._cursors.receive(payload)
            case events.TypingIndicator():
                self._effects += self._cursors.peers.update_typing(payload)
            case Presence():
                self._effects += self._cursors.peers.update_presence(payload)
            case events.MessageRead():
                self._effects += self._cursors.move_read_mark(payload)
            case events.AuthExpiring():
                self._renew()
                self._effects.append(Deliver(name, payload))
            case events.ServerDraining():
                self.connection.drain(payload.retry_after_ms, now)
                self._effects.append(Deliver(name, payload))
            case events.Failed():
                self._counters.errors += 1
                self.connection.record_error(payload)
                self._effects.append(Deliver(Event.ERROR, payload))
            case dict() if name == Event.POSITIONS:
                self._cursors.announce_heads(payload, now)
            case _:
                self._effects.append(Deliver(name, payload))
        return self._finish(now)

    def skip(self, message: Message, now: float) -> bool:
        """Advance by the next message of a conversation without delivering it, for drivers whose user takes no events.

        Return False for any other message, which `event` has to process.
        """
        self._last_received_at = now
        return self._cursors.skip(message)

    def ack(self, command_id: int, reply: Ok | RefusedReply, now: float) -> list[Effect]:
        """Process the reply to a request; a reply after the timeout is ignored."""
        self._last_received_at = now
        request = self._in_flight.take(command_id)
        if request is None:
            return self._finish(now)
        self._counters.record_ack(now - request.sent_at)
        if request.name == Command.REFRESH_TOKEN:
            self._renewing = False
        if not isinstance(reply, RefusedReply):
            self._effects += self._ack_handler.accepted(request, reply)
            if self._cursors.peers.has_unconfirmed:
                self._schedule_complete_presence(now)
            return self._finish(now)
        if reply.error.code is ErrorCode.TOKEN_EXPIRED and request.name != Command.REFRESH_TOKEN:
            self._renew()
        if not reply.error.retryable and self._resent_calls.get(request.name) is request.subject:
            self._resent_calls.pop(request.name, None)
        self._effects += self._ack_handler.refused(request, reply, now)
        return self._finish(now)

    def tick(self, now: float) -> list[Effect]:
        """Apply timeouts and send what is due."""
        deadline = self.connection.drain_deadline
        if deadline is not None and deadline <= now:
            self._drop("the server did not finish draining")
        if self._presence_complete_at is not None and self._presence_complete_at <= now:
            self._presence_complete_at = None
            self._effects += self._cursors.peers.drop_unconfirmed()
        for request in self._in_flight.take_overdue(now):
            # If nothing was received since the request was sent, the connection is dead, not the server slow. Requests
            # without a subject do not count: a server need not acknowledge them.
            if request.subject is not None and self._last_received_at <= request.sent_at:
                self._drop("no answer from the server")
            if request.name == Command.REFRESH_TOKEN:
                self._renewing = False
            self._effects += self._ack_handler.timed_out(request, now)
        return self._finish(now)

    def token_renewed(self, token: str | None, now: float) -> list[Effect]:
        """Send the user's fresh token on the open connection; None when there is none."""
        if token is not None and self.connection.is_up:
            self._emit(Command.REFRESH_TOKEN, RefreshToken(token=token), None, now)
        else:
            self._renewing = False
        return self._finish(now)

    # Inputs from the user

    def start(self, request_id: int, now: float) -> list[Effect]:
        """Connect; resolved with `Authenticated` or the final error."""
        if self.connection.phase is not ConnectionPhase.IDLE:
            self._effects.append(Resolve(request_id, Disconnected("connect was called before")))
            return self._finish(now)
        self._connecting = request_id
        self._effects += self.connection.start()
        return self._finish(now)

    def stop(self, now: float) -> list[Effect]:
        """Disconnect for good: everything pending is resolved with `Disconnected`, cursors are kept."""
        had_connection = self.connection.phase in (ConnectionPhase.CONNECTING, ConnectionPhase.UP)
        self._effects += self._cursors.peers.end_typing()
        self._effects += self.connection.stop()
        self._fail_all(Disconnected(USER_REASON))
        if had_connection:
            self._effects.append(Drop(USER_REASON))
        return self._finish(now)

    def join(
        self, request_id: int, conversation_id: str, after_seq: int | None, epoch: str | None, now: float
    ) -> list[Effect]:
        """Join now and after every reconnect; resolved with the `JoinAck`."""
        if not self._resolve_if_closed(request_id):
            self._cursors.join(request_id, conversation_id, after_seq, epoch)
        return self._finish(now)

    def leave(self, conversation_id: str, now: float) -> list[Effect]:
        """Leave a conversation and forget its position."""
        self._effects += self._cursors.leave(conversation_id)
        self._typing.stop(conversation_id)
        if self.connection.is_up:
            self._emit(Command.LEAVE_CONVERSATION, conversation_id, None, now)
        return self._finish(now)

    def post(
        self, request_id: int, conversation_id: str, content: str, client_message_id: str, now: float
    ) -> list[Effect]:
        """Queue a message; resolved with `SendAck` or the final error.

        Raises:
            OutboxFull: nothing was queued.
        """
        if not self._resolve_if_closed(request_id):
            self._outbox.add(OutboxEntry(request_id, conversation_id, content, client_message_id))
            self._counters.sent += 1
            self._typing.stop(conversation_id)
            self._cursors.remember_own(client_message_id)
        return self._finish(now)

    def call(self, request_id: int, name: str, payload: Wire | str, now: float, *, repeat: bool) -> list[Effect]:
        """Make any other request; without ``repeat`` it fails when there is no connection, instead of waiting for one.

        Raises:
            OutboxFull: too many calls are waiting.
        """
        if self._resolve_if_closed(request_id):
            return self._finish(now)
        if not repeat and not self.connection.is_up:
            self._effects.append(Resolve(request_id, ConnectionLost(name)))
            return self._finish(now)
        call = PendingCall(request_id, name, payload, repeat=repeat)
        self._waiting.add(call)
        if name in RESENT_ON_RECONNECT:
            self._resent_calls[name] = call
        return self._finish(now)

    def typing(self, conversation_id: str, now: float, *, is_typing: bool) -> list[Effect]:
        """Send the start or end of typing; dropped without a connection, and when it was sent recently."""
        if self.connection.is_up:
            if is_typing and self._typing.start(conversation_id, now):
                self._emit(Command.TYPING_START, conversation_id, None, now)
            if not is_typing and self._typing.stop(conversation_id):
                self._emit(Command.TYPING_STOP, conversation_id, None, now)
        return self._finish(now)

    # Internals

    def _finish(self, now: float) -> list[Effect]:
        """Send all requests that are due, and return the collected effects."""
        self._last_flush_at = now
        if self.connection.is_up:
            for name, payload, cursor in self._cursors.take_due(now):
                self._emit(name, payload, cursor, now)
            for call in self._waiting.take_ready(now):
                call.attempts += 1
                # A repeated call must not undo a later one of the same name.
                latest = self._resent_calls.get(call.name, call)
                self._emit(call.name, latest.payload, call, now)
            for entry in self._outbox.take_ready(now, self._cursors.is_open):
                self._emit(_SEND_MESSAGE, entry.payload(), entry, now)
                self._effects.append(MessageSent(entry.request_id))
        effects, self._effects = self._effects, []
        return effects

    def _emit(self, name: str, payload: Wire | str, subject: RequestSubject, now: float) -> None:
        self._effects.append(Emit(self._in_flight.add(name, subject, now), name, payload))

    def _schedule_complete_presence(self, now: float) -> None:
        """Wait for late reports once everything is joined and subscribed again."""
        user, inbox = self.connection.user, Command.SUBSCRIBE_INBOX
        if (
            self._presence_complete_at is None
            and user is not None
            and self._cursors.are_all_joined
            and not (self._waiting.has(inbox) or self._in_flight.has(inbox))
        ):
            self._presence_complete_at = now + user.timers.presence_grace_ms / 1000

    def _drop(self, reason: str) -> None:
        if self.connection.phase is ConnectionPhase.UP:
            self.connection.close()
            self._effects.append(Drop(reason))

    def _renew(self) -> None:
        if self._renewable and not self._renewing:
            self._renewing = True
            self._effects.append(RenewToken())

    def _resolve_if_closed(self, request_id: int) -> bool:
        if self.connection.failure is None:
            return False
        self._effects.append(Resolve(request_id, self.connection.failure))
        return True

    def _fail_all(self, error: ClientError) -> None:
        if self._connecting is not None:
            self._effects.append(Resolve(self._connecting, error))
            self._connecting = None
        self._effects += self._cursors.fail_waiters(error)
        self._effects += self._ack_handler.fail_pending(self._in_flight.take_all(), error)
