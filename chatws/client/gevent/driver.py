"""Runs a session on gevent's hub: carries out its effects and feeds it link, clock and user."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import msgspec
from gevent import get_hub

from chatws.client.core import effects
from chatws.client.core.connection import USER_REASON, ConnectionPhase
from chatws.client.core.event_names import Event
from chatws.client.core.session import ChatSession, SessionOptions
from chatws.client.errors import ClientError
from chatws.client.gevent.legacy_protocol import LegacyProtocolAdapter
from chatws.client.gevent.websocket import WebSocketConnection
from chatws.protocol.codec import decode_ack, decode_event, decode_event_packet
from chatws.protocol.commands import SendMessage
from chatws.protocol.errors import ERRORS, ErrorBody, ErrorCode
from chatws.protocol.events import Authenticated
from chatws.protocol.responses import Ok
from chatws.protocol.responses import Refused as RefusedReply
from chatws.protocol.spec import EVENTS
from chatws.wire import socketio

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from chatws.client.gevent.endpoint import Endpoint
    from chatws.client.gevent.websocket import ConnectTimings
    from chatws.protocol.entities import Wire

Outcome = Ok | Authenticated | ClientError
now_s = time.perf_counter
CLOCKED = frozenset({Event.POSITIONS, Event.SERVER_DRAINING})
"""Events after which the session wants to be called at a certain time, even if it sends nothing."""


class ConnectionObserver(Protocol):
    """Who sees what happens, before the session repairs any of it; must not block."""

    def saw_opened(self, times: ConnectTimings, authenticated_s: float) -> None:
        """A connection is up."""

    def saw_ended(self, end: effects.ConnectionEnd, ended_s: float) -> None:
        """A connection is gone, or did not come about."""

    def saw_event(self, name: str, payload: object, heard_s: float) -> None:
        """An event arrived, with its struct, or raw JSON for a name the contract does not have."""

    def saw_reply(self, name: str, reply: Ok | RefusedReply, heard_s: float) -> None:
        """An answer arrived."""

    def saw_repeat(self, message: SendMessage) -> None:
        """A message leaves again, to a server that knows only the guide and cannot tell it from another."""


class GeventDriver:
    """A client connection that keeps itself alive, on one server address."""

    def __init__(
        self,
        address: Endpoint,
        credentials: Callable[[], dict[str, str]],
        witness: ConnectionObserver,
        rng: Random,
        *,
        timeout_s: float = 10.0,
        renew: Callable[[], str | None] | None = None,
        tell: Callable[[str, object], None] | None = None,
    ) -> None:
        """Make one that is not connected.

        ``renew`` gives a fresh token when the server asks for one, None when there is none yet; ``tell`` is told what
        the session tells its user.
        """
        self.session = ChatSession(rng, SessionOptions(retry_first_connect=True, renewable=renew is not None))
        self.guide: LegacyProtocolAdapter | None = None
        """Set once the server has turned out to know only the guide."""
        self._address = address
        self._credentials = credentials
        self._renew = renew
        self._tell = tell
        self._witness = witness
        self._timeout_s = timeout_s
        self._loop = get_hub().loop
        self._link: WebSocketConnection | None = None
        self._opened = False
        # Runs until the next link is to be opened.
        self._opening = self._loop.timer(0)
        self._timer = self._loop.timer(0)
        self._timer_due_s: float | None = None
        self._names: dict[int, str] = {}
        self._waiting: dict[int, Callable[[Outcome], None]] = {}
        self._last_request_id = 0

    def ask(self, request: Callable[[int, float], list[effects.Effect]], on_outcome: Callable[[Outcome], None]) -> None:
        """Make a request of the session; ``on_outcome`` is called once it is settled.

        Raises:
            OutboxFull: the session takes no more.
        """
        self._last_request_id += 1
        todo = request(self._last_request_id, now_s())
        self._waiting[self._last_request_id] = on_outcome
        self.tell(todo)

    def tell(self, todo: list[effects.Effect]) -> None:
        """Carry out the effects of something that the user does."""
        self._perform_all(todo)
        # What the user sets in motion is due later than whatever the timer runs for already.
        if self._timer_due_s is None:
            self._set_timer()

    def apply(self, todo: list[effects.Effect]) -> None:
        """Carry out effects in order, then set the timer."""
        self._perform_all(todo)
        self._set_timer()

    def cut(self) -> None:
        """End the present link with a TCP reset; the session opens another one."""
        if self._link is not None:
            self._link.cut()

    def close(self) -> None:
        """End for good: nothing calls back any more, once this has returned."""
        self.apply(self.session.stop(now_s()))
        for timer in (self._opening, self._timer):
            timer.stop()
            timer.close()

    # LinkListener

    def link_event(self, raw_json: str) -> None:
        """See `LinkListener`; a payload that is not the table's is told to the witness and dropped."""
        heard_s = now_s()
        found = decode_event_packet(raw_json) if self.guide is None else None
        if found is None:
            self._hear_other(raw_json, heard_s)
            return
        name, payload = found
        if self._opened:
            self._witness.saw_event(name, payload, heard_s)
            todo = self.session.event(name, payload, heard_s)
            if self._perform_all(todo) or name in CLOCKED:
                self._set_timer()
        elif name == Event.AUTHENTICATED:
            self._open(payload, heard_s)

    def link_ack(self, ack_id: int, raw_json: str) -> None:
        """See `LinkListener`; an answer that nobody can read is a refusal that cannot be repeated."""
        name = self._names.pop(ack_id, None)
        if name is None:
            return
        heard_s = now_s()
        reply: Ok | RefusedReply | None
        try:
            reply = decode_ack(name, raw_json) if self.guide is None else self.guide.reply(name, _first_of(raw_json))
        except msgspec.DecodeError:
            socketio.split_ack(raw_json)
            reply = unreadable()
        if reply is None:
            self._names[ack_id] = name
            return
        self._settle_reply(ack_id, name, reply, heard_s)

    def link_ended(self, end: effects.ConnectionEnd) -> None:
        """See `LinkListener`."""
        self._link, self._opened = None, False
        self._names.clear()
        ended_s = now_s()
        self._witness.saw_ended(end, ended_s)
        self.apply(self.session.link_ended(end, ended_s))

    def _hear_other(self, raw_json: str, heard_s: float) -> None:
        """Take an event that is not the table's, or may be the guide's, whose servers leave fields out."""
        name, args = socketio.split_event(raw_json)
        raw = args[0] if args else msgspec.Raw(b"null")
        if not self._opened:
            if name == Event.AUTHENTICATED:
                self._open(self._greet(raw), heard_s)
            return
        payload: object = raw if self.guide is None else self.guide.translate(name, raw)
        self._witness.saw_event(name, payload, heard_s)
        if self.guide is not None and name == "joined_conversation":
            self._answer_join(self.guide, raw, heard_s)
        if name not in EVENTS or payload is not raw:
            self.apply(self.session.event(name, payload, heard_s))

    def _greet(self, raw: msgspec.Raw) -> Authenticated:
        try:
            user: Authenticated = decode_event(Event.AUTHENTICATED, raw)
        except msgspec.DecodeError:
            self.guide = self.guide or LegacyProtocolAdapter()
            user = self.guide.greet(raw)
        return user

    # Effects

    def _perform_all(self, todo: list[effects.Effect]) -> bool:
        """Carry out effects in order; whether anything was sent."""
        has_sent = False
        for effect in todo:
            # The kinds of every message's way, which nothing has to be looked for in a list of cases.
            if type(effect) is effects.Deliver:
                if self._tell is not None:
                    self._tell(effect.name, effect.payload)
            elif type(effect) is effects.Emit:
                has_sent = True
                self._emit(effect.command_id, effect.name, effect.payload)
            elif type(effect) is not effects.MessageSent:
                self._perform(effect)
        return has_sent

    def _perform(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Resolve(request_id, outcome):
                on_outcome = self._waiting.pop(request_id, None)
                if on_outcome is not None:
                    on_outcome(outcome)
            case effects.Connect(delay_s):
                self._opening.stop()
                self._opening.close()
                self._opening = self._loop.timer(delay_s)
                self._opening.start(self._connect)
            case effects.Drop(reason):
                self._drop(reason)
            case effects.RenewToken():
                self._loop.run_callback(self._renew_token)

    def _emit(self, command_id: int, name: str, payload: Wire | str) -> None:
        if self._link is None:
            return
        self._names[command_id] = name
        if self.guide is None:
            self._link.send(name, payload, command_id)
            return
        reply = self.guide.prepare(command_id, name, payload)
        if isinstance(payload, SendMessage) and self.guide.is_repeat(payload):
            self._witness.saw_repeat(payload)
        if not isinstance(reply, RefusedReply):
            self._link.send(name, self.guide.payload(payload), command_id)
        if reply is not None:
            # The session is inside of an input now; what the guide's server never answers is answered after it.
            self._loop.run_callback(self._settle_reply, command_id, name, reply, now_s())

    def _settle_reply(self, command_id: int, name: str, reply: Ok | RefusedReply, heard_s: float) -> None:
        self._names.pop(command_id, None)
        self._witness.saw_reply(name, reply, heard_s)
        # What is done sets nothing in motion, and looking for a deadline would cost the most.
        if self._perform_all(self.session.ack(command_id, reply, heard_s)) or isinstance(reply, RefusedReply):
            self._set_timer()

    def _answer_join(self, guide: LegacyProtocolAdapter, raw: msgspec.Raw, heard_s: float) -> None:
        answered = guide.joined(raw)
        if answered is not None:
            command_id, reply = answered
            self._settle_reply(command_id, "join_conversation", reply, heard_s)

    def _connect(self) -> None:
        if self.session.connection.phase is ConnectionPhase.CONNECTING and self._link is None:
            self._link = WebSocketConnection(self._address, self._credentials(), self, self._timeout_s)

    def _open(self, user: Authenticated, heard_s: float) -> None:
        assert self._link is not None
        self._opened = True
        self._link.settle()
        self._witness.saw_opened(self._link.times, heard_s)
        self.apply(self.session.link_opened(user, heard_s))

    def _renew_token(self) -> None:
        token = None if self._renew is None else self._renew()
        self.apply(self.session.token_renewed(token, now_s()))

    def _drop(self, reason: str) -> None:
        if self._link is None:
            self._opening.stop()
            self._loop.run_callback(self.link_ended, effects.ConnectionEnd(reason))
        elif reason == USER_REASON:
            self._link.close()
        else:
            self._link.drop(reason)

    def _set_timer(self) -> None:
        """Set the timer unless it runs out early enough anyway: an early tick does no harm, a new timer costs."""
        present_s = now_s()
        due_s = self.session.next_deadline()
        if due_s is None or (self._timer_due_s is not None and self._timer_due_s <= due_s):
            return
        self._timer.stop()
        self._timer.close()
        self._timer = self._loop.timer(max(0.0, due_s - present_s))
        self._timer.start(self._on_timer)
        self._timer_due_s = due_s

    def _on_timer(self) -> None:
        self._timer_due_s = None
        self.apply(self.session.tick(now_s()))


def _first_of(raw_json: str) -> msgspec.Raw:
    """Give an ack's first value; an empty object when it has none."""
    values = socketio.split_ack(raw_json)
    return values[0] if values else msgspec.Raw(b"{}")


def unreadable() -> RefusedReply:
    """Make the refusal that stands for an answer nobody can read."""
    code = ErrorCode.INTERNAL
    return RefusedReply(
        error=ErrorBody(code=code, message="The server's answer could not be read.", retryable=ERRORS[code].retryable)
    )
