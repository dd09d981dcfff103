"""The client's session: every input from link, clock and user, and the effects each of them has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatws.client.core.ack_handler import AckHandler
from chatws.client.core.connection import USER_REASON, ConnectionLifecycle, ConnectionPhase
from chatws.client.core.cursors import ConversationCursors
from chatws.client.core.effects import ConnectionEnd, Deliver, Drop, Effect, Emit, MessageSent, RenewToken, Resolve
from chatws.client.core.event_names import Command, Event
from chatws.client.core.outbox import Outbox, OutboxEntry
from chatws.client.core.requests import InFlightRequests, PendingCall, Subject, WaitingCalls
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

REMEMBERED = frozenset({Command.SET_PRESENCE, Command.SUBSCRIBE_INBOX})
"""Said again on every new link."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """The bounds and choices a session needs to know."""

    renewable: bool = False
    """A fresh token can be had when the old one expires."""
    max_attempts: int | None = None
    retry_first_connect: bool = False
    max_outbox: int = 1_000


class ChatSession:
    """A chat client without I/O.

    Every method is an input and returns its effects in order; ``now`` is a monotonic time in seconds. After each input
    the driver asks `next_deadline` and calls `tick` by then.

    Promises: a joined conversation's messages are delivered once each, by ``seq``, across links; a posted message is
    repeated under its own id until the server stored or finally refused it; every request is settled exactly once.
    """

    def __init__(self, rng: Random, options: SessionOptions) -> None:
        self.connection = ConnectionLifecycle(
            rng,
            renewable=options.renewable,
            max_attempts=options.max_attempts,
            retry_first=options.retry_first_connect,
        )
        self._renewable = options.renewable
        self._rooms = ConversationCursors()
        self._outbox = Outbox(options.max_outbox)
        self._waiting = WaitingCalls(options.max_outbox)
        self._flights = InFlightRequests()
        self._typing = TypingThrottle()
        self._tally = ClientCounters()
        self._answers = AckHandler(self._rooms, self._outbox, self._waiting, self._tally)
        self._remembered: dict[str, PendingCall] = {}
        self._connecting: int | None = None
        """The request that waits for the first link."""
        self._renewing = False
        self._last_heard = 0.0
        self._looked_at = 0.0
        """When it was last looked for what is due."""
        self._out: list[Effect] = []

    def stats(self, now: float) -> ClientStats:
        """Count what happened so far."""
        opened_at = self.connection.opened_at
        return self._tally.snapshot(
            uptime_s=self.connection.uptime_s + (0.0 if opened_at is None else now - opened_at),
            pending=len(self._outbox),
            reconnects=self.connection.reconnects,
            rooms=self._rooms,
        )

    def next_deadline(self) -> float | None:
        """When `tick` has to be called at the latest; None without anything to wait for."""
        times = [time for time in (self._flights.next_deadline(), self.connection.drain_deadline) if time is not None]
        if self.connection.up:
            # What was due by then has left at the last look; what is held for other reasons needs no clock.
            later = (*self._outbox.deadlines(), *self._waiting.deadlines(), *self._rooms.deadlines())
            times += [time for time in later if time > self._looked_at]
        return min(times, default=None)

    # Inputs from the link and the clock

    def connection_opened(self, user: events.Authenticated, now: float) -> list[Effect]:
        """The link is up and the server has said who we are."""
        if self.connection.phase is not ConnectionPhase.CONNECTING:
            return []
        self._last_heard = now
        self._out += [*self.connection.opened(user, now), Deliver(Event.AUTHENTICATED, user)]
        self._typing.resend_s = user.timers.typing_resend_ms / 1000
        if self._connecting is not None:
            self._out.append(Resolve(self._connecting, user))
            self._connecting = None
        for name, call in self._remembered.items():
            if not self._waiting.has(name):
                self._waiting.put_back(PendingCall(None, name, call.payload, repeat=True), 0.0)
        return self._finish(now)

    def connection_ended(self, end: ConnectionEnd, now: float) -> list[Effect]:
        """The link is gone, or could not be opened."""
        self._renewing = False
        self._typing.forget()
        self._out += self._rooms.lost()
        self._outbox.rewind()
        for flight in self._flights.take_all():
            self._out += self._answers.lost(flight)
        self._out += self.connection.ended(end, now)
        if self.connection.failure is not None:
            self._fail_everything(self.connection.failure)
        return self._finish(now)

    def event(self, name: str, payload: object, now: float) -> list[Effect]:
        """The server says something; ``payload`` is the table's struct, or plain JSON for a name it does not have."""
        self._last_heard = now
        match payload:
            case Message():
                told = self._rooms.follow(payload)
                if told is not None:
                    # It sets nothing in motion, and what time brings is the next tick's.
                    return told
                self._out += self._rooms.hear_message(payload)
            case events.TypingIndicator():
                self._out += self._rooms.others.hear_typing(payload)
            case Presence():
                self._out += self._rooms.others.hear_presence(payload)
            case events.MessageRead():
                self._out += self._rooms.others.hear_read(payload)
            case events.AuthExpiring():
                self._renew()
                self._out.append(Deliver(name, payload))
            case events.ServerDraining():
                self.connection.hear_draining(payload.retry_after_ms, now)
                self._out.append(Deliver(name, payload))
            case events.Failed():
                self._tally.errors += 1
                self.connection.hear_error(payload)
                self._out.append(Deliver(Event.ERROR, payload))
            case dict() if name == Event.POSITIONS:
                self._rooms.hear_positions(payload, now)
            case _:
                self._out.append(Deliver(name, payload))
        return self._finish(now)

    def ack(self, command_id: int, reply: Ok | RefusedReply, now: float) -> list[Effect]:
        """The server answers a request; an answer to one given up is ignored."""
        self._last_heard = now
        flight = self._flights.land(command_id)
        if flight is None:
            return self._finish(now)
        self._tally.note_ack(now - flight.sent_at)
        if not isinstance(reply, RefusedReply):
            self._out += self._answers.accepted(flight, reply)
            return self._finish(now)
        if reply.error.code is ErrorCode.TOKEN_EXPIRED and flight.name != Command.REFRESH_TOKEN:
            self._renew()
        if not reply.error.retryable and self._remembered.get(flight.name) is flight.subject:
            self._remembered.pop(flight.name, None)
        self._out += self._answers.refused(flight, reply, now)
        return self._finish(now)

    def tick(self, now: float) -> list[Effect]:
        """Time has passed."""
        deadline = self.connection.drain_deadline
        if deadline is not None and deadline <= now:
            self._drop("the server did not finish draining")
        for flight in self._flights.take_overdue(now):
            # Anything heard is proof of life: silence since the request left means a dead link, not a slow server.
            # Requests nobody waits for prove nothing, a server may leave them unanswered.
            if flight.subject is not None and self._last_heard <= flight.sent_at:
                self._drop("no answer from the server")
            self._out += self._answers.missing(flight, now)
        return self._finish(now)

    def token_renewed(self, token: str | None, now: float) -> list[Effect]:
        """The user's fresh token for the live link; None when none could be had."""
        self._renewing = False
        if token is not None and self.connection.up:
            self._emit(Command.REFRESH_TOKEN, RefreshToken(token=token), None, now)
        return self._finish(now)

    # Inputs from the user

    def start(self, request_id: int, now: float) -> list[Effect]:
        """Connect; settled with `Authenticated` or the error that made it final."""
        if self.connection.phase is not ConnectionPhase.IDLE:
            self._out.append(Resolve(request_id, Disconnected("connect was called before")))
            return self._finish(now)
        self._connecting = request_id
        self._out += self.connection.start()
        return self._finish(now)

    def stop(self, now: float) -> list[Effect]:
        """Disconnect for good; everything pending is settled with `Disconnected`, cursors are kept."""
        had_link = self.connection.phase in (ConnectionPhase.CONNECTING, ConnectionPhase.UP)
        self._out += self._rooms.others.forget_typing()
        self._out += self.connection.stopping()
        self._fail_everything(Disconnected(USER_REASON))
        if had_link:
            self._out.append(Drop(USER_REASON))
        return self._finish(now)

    def join(
        self, request_id: int, conversation_id: str, after_seq: int | None, epoch: str | None, now: float
    ) -> list[Effect]:
        """Join now and after every reconnection; settled with the `JoinAck`."""
        if not self._is_over(request_id):
            self._rooms.want(request_id, conversation_id, after_seq, epoch)
        return self._finish(now)

    def leave(self, conversation_id: str, now: float) -> list[Effect]:
        """Forget a conversation's position and its room."""
        self._out += self._rooms.forget(conversation_id)
        self._typing.stop(conversation_id)
        if self.connection.up:
            self._emit(Command.LEAVE_CONVERSATION, conversation_id, None, now)
        return self._finish(now)

    def post(
        self, request_id: int, conversation_id: str, content: str, client_message_id: str, now: float
    ) -> list[Effect]:
        """Queue a message; settled with `SendAck`, or the error that made it final.

        Raises:
            OutboxFull: nothing was queued.
        """
        if not self._is_over(request_id):
            self._outbox.add(OutboxEntry(request_id, conversation_id, content, client_message_id))
            self._tally.sent += 1
            self._typing.stop(conversation_id)
            self._rooms.note_own(client_message_id)
        return self._finish(now)

    def call(self, request_id: int, name: str, payload: Wire | str, now: float, *, repeat: bool) -> list[Effect]:
        """Make any other request; without ``repeat`` it fails when there is no link, instead of waiting for one.

        Raises:
            OutboxFull: too many are waiting.
        """
        if self._is_over(request_id):
            return self._finish(now)
        if not repeat and not self.connection.up:
            self._out.append(Resolve(request_id, ConnectionLost(name)))
            return self._finish(now)
        call = PendingCall(request_id, name, payload, repeat=repeat)
        self._waiting.add(call)
        if name in REMEMBERED:
            self._remembered[name] = call
        return self._finish(now)

    def typing(self, conversation_id: str, now: float, *, is_typing: bool) -> list[Effect]:
        """Tell that the user types or stopped; dropped without a link, and when it was just said."""
        if self.connection.up:
            if is_typing and self._typing.start(conversation_id, now):
                self._emit(Command.TYPING_START, conversation_id, None, now)
            if not is_typing and self._typing.stop(conversation_id):
                self._emit(Command.TYPING_STOP, conversation_id, None, now)
        return self._finish(now)

    # Parts

    def _finish(self, now: float) -> list[Effect]:
        """Let everything leave whose time has come, and hand the effects over."""
        self._looked_at = now
        if self.connection.up:
            for name, payload, room in self._rooms.due(now):
                self._emit(name, payload, room, now)
            for call in self._waiting.take_ready(now):
                call.attempts += 1
                self._emit(call.name, call.payload, call, now)
            for entry in self._outbox.take_ready(now, self._rooms.is_open):
                self._emit(Command.SEND_MESSAGE, entry.payload(), entry, now)
                self._out.append(MessageSent(entry.request_id))
        effects, self._out = self._out, []
        return effects

    def _emit(self, name: str, payload: Wire | str, subject: Subject, now: float) -> None:
        self._out.append(Emit(self._flights.depart(name, subject, now), name, payload))

    def _drop(self, reason: str) -> None:
        if self.connection.phase is ConnectionPhase.UP:
            self.connection.closing()
            self._out.append(Drop(reason))

    def _renew(self) -> None:
        if self._renewable and not self._renewing:
            self._renewing = True
            self._out.append(RenewToken())

    def _is_over(self, request_id: int) -> bool:
        if self.connection.failure is None:
            return False
        self._out.append(Resolve(request_id, self.connection.failure))
        return True

    def _fail_everything(self, error: ClientError) -> None:
        if self._connecting is not None:
            self._out.append(Resolve(self._connecting, error))
            self._connecting = None
        self._out += self._rooms.fail_waiters(error)
        self._out += self._answers.fail_pending(self._flights.take_all(), error)
