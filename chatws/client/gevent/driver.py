"""Driver of a session on gevent's hub: performs its effects and passes it packets, time and the user's requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from gevent import get_hub

from chatws.client.core import effects
from chatws.client.core.connection import USER_REASON, ConnectionPhase, read_pid
from chatws.client.core.event_names import Command, Event
from chatws.client.core.refusals import unreadable_reply
from chatws.client.core.session import ChatSession, SessionOptions
from chatws.client.core.session_driver import SessionDriver
from chatws.client.errors import ClientError
from chatws.client.gevent.deadline_timer import DeadlineTimer, now_s
from chatws.client.gevent.legacy_protocol import JOINED, LegacyProtocolAdapter
from chatws.client.gevent.polling import PollingConnection
from chatws.client.gevent.transport_choice import TransportChoice
from chatws.client.gevent.websocket import WebSocketConnection
from chatws.protocol.codec import decode_ack, decode_event, decode_event_packet
from chatws.protocol.commands import SendMessage
from chatws.protocol.entities import Message
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import Authenticated
from chatws.protocol.responses import Ok
from chatws.protocol.responses import Refused as RefusedReply
from chatws.protocol.spec import EVENTS
from chatws.wire import socketio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from chatws.client.gevent.connection import GeventConnection
    from chatws.client.gevent.endpoint import Endpoint
    from chatws.client.gevent.observer import ConnectionObserver
    from chatws.client.mapping import CompiledMapping
    from chatws.protocol.entities import Wire

Outcome = Ok | Authenticated | ClientError
SIGN_IN = "authenticate"
SIGN_IN_ID = 0
"""Ack id of the event that presents credentials; the session's command ids begin with 1."""

TIMED_EVENTS = frozenset({Event.POSITIONS, Event.SERVER_DRAINING})
"""Events that may set a deadline of the session although it sends nothing."""

_SEND_MESSAGE = Command.SEND_MESSAGE
"""Read for every ack: in Python 3.11, an attribute of an enumeration takes ten times as long to read as a global."""


class GeventDriver(SessionDriver):
    """Self-reconnecting client connection to one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Callable[[], dict[str, str]],
        observer: ConnectionObserver,
        rng: Random,
        *,
        mapping: CompiledMapping | None = None,
        transport: TransportChoice = TransportChoice.WEBSOCKET,
        timeout_s: float = 10.0,
        renew: Callable[[], str | None] | None = None,
        deliver: Callable[[str, object], None] | None = None,
    ) -> None:
        """Create a driver that is not connected.

        ``mapping`` describes a server with other events than the guide's; ``transport`` is any but ``MIX``. ``renew``
        returns a fresh token when the session requests one, or None when there is none yet; ``deliver`` receives the
        session's events for its user.

        Raises:
            ValueError: ``transport`` is ``MIX``.
        """
        if transport is TransportChoice.MIX:
            raise ValueError("one client has one transport: see TransportChoice.of_client")
        super().__init__(ChatSession(rng, SessionOptions(retry_first_connect=True, renewable=renew is not None)))
        self.legacy = None if mapping is None else LegacyProtocolAdapter(mapping)
        """Set with a mapping, or when ``authenticated`` has shown that the server implements only the guide."""
        self._endpoint = endpoint
        self._credentials = credentials
        self._renew = renew
        self._deliver_to_user = deliver
        self._observer = observer
        self._timeout_s = timeout_s
        self._loop = get_hub().loop
        self._transport = transport
        self._connection: GeventConnection | None = None
        self._authenticated = False
        # Runs until the next connection is to be opened.
        self._connect_timer = self._loop.timer(0)
        self._timer = DeadlineTimer(self._on_timer)
        self._offline_until_s = 0.0
        self._names: dict[int, str] = {}
        # Client id and command id of the last message sent, and command id of the last message acked.
        self._last_send = ("", 0)
        self._last_acked = 0
        self._waiting: dict[int, Callable[[Outcome], None]] = {}

    def ask(self, request: Callable[[int, float], list[effects.Effect]], on_outcome: Callable[[Outcome], None]) -> None:
        """Make a request to the session; ``on_outcome`` is called once it is resolved.

        Raises:
            OutboxFull: the session accepts no more requests.
        """
        request_id, todo = self._make_request(request, now_s())
        self._waiting[request_id] = on_outcome
        self.perform(todo)

    def perform(self, todo: list[effects.Effect]) -> None:
        """Perform the effects of a user's request."""
        self._perform_all(todo)
        # A running timer ends before any deadline that the request adds.
        if self._timer.due_s is None:
            self._set_timer()

    def apply(self, todo: list[effects.Effect]) -> None:
        """Perform effects in order, then set the timer."""
        self._perform_all(todo)
        self._set_timer()

    def cut(self, offline_s: float = 0.0) -> None:
        """End the connection with a TCP reset; the session opens another one, at the earliest after this time."""
        self._offline_until_s = now_s() + offline_s
        if self._connection is not None:
            self._connection.cut()

    def close(self) -> None:
        """Close for good; no callback runs after this has returned."""
        self.apply(self.session.stop(now_s()))
        self._connect_timer.stop()
        self._connect_timer.close()
        self._timer.close()

    # ConnectionListener

    def connection_event(self, raw_json: str) -> None:
        """Pass an event to the session; a payload outside the contract is reported to the observer and dropped."""
        received_s = now_s()
        found = decode_event_packet(raw_json) if self.legacy is None else None
        if found is None:
            self._process_other_event(raw_json, received_s)
            return
        name, payload = found
        if self._authenticated:
            self._observer.on_event(name, payload, received_s)
            if self._deliver_to_user is None and type(payload) is Message and self.session.skip(payload, received_s):
                return
            todo = self.session.event(name, payload, received_s)
            if self._perform_all(todo) or name in TIMED_EVENTS:
                self._set_timer()
        elif name == Event.AUTHENTICATED:
            self._open(payload, received_s)

    def connection_ack(self, ack_id: int, raw_json: str) -> None:
        """Pass an ack to the session; one that cannot be decoded counts as a refusal that is not retryable."""
        name = self._names.pop(ack_id, None)
        if name is None:
            if ack_id == self._last_acked:
                self._observer.on_second_ack(raw_json)
            return
        if name == _SEND_MESSAGE:
            self._last_acked = ack_id
        received_s = now_s()
        reply: Ok | RefusedReply | None
        try:
            if self.legacy is None:
                reply = decode_ack(name, raw_json)
            elif name == SIGN_IN:
                self._take_sign_in(self.legacy, raw_json, received_s)
                return
            else:
                reply = self.legacy.reply(ack_id, name, raw_json)
        except msgspec.DecodeError:
            socketio.split_ack(raw_json)
            self._observer.on_malformed_ack(name, raw_json)
            reply = unreadable_reply()
        if reply is None:
            self._names[ack_id] = name
            return
        self._take_reply(ack_id, name, reply, received_s)

    def connection_accepted(self, raw_json: str) -> None:
        """Present the credentials if CONNECT did not, and open the session if nothing else authenticates it."""
        self.session.connection.pid = read_pid(raw_json)
        if self.legacy is None or self._connection is None:
            return
        outgoing = self.legacy.sign_in(self._credentials())
        if outgoing is not None:
            if outgoing.requests_ack:
                self._names[SIGN_IN_ID] = SIGN_IN
            self._send(outgoing.name, outgoing.args, SIGN_IN_ID if outgoing.requests_ack else None)
        user = self.legacy.accept_connect(raw_json)
        if user is not None:
            self._open(user, now_s())

    def connection_upgraded(self) -> None:
        """Report the upgrade to the observer."""
        if self._connection is not None:
            self._observer.on_upgraded(self._connection.times)

    def connection_upgrade_failed(self, reason: str) -> None:
        """Report the failed upgrade to the observer."""
        self._observer.on_upgrade_failed(reason)

    def connection_ended(self, end: effects.ConnectionEnd) -> None:
        """Pass the end of the connection to the session."""
        self._connection, self._authenticated = None, False
        self._names.clear()
        ended_s = now_s()
        self._observer.on_ended(end, ended_s)
        self.apply(self.session.connection_ended(end, ended_s))

    def _process_other_event(self, raw_json: str, received_s: float) -> None:
        """Process an event outside the contract, or in the guide's form, which may omit fields."""
        name, args = socketio.split_event(raw_json)
        if self.legacy is not None:
            for guide_name, payload in self.legacy.events(name, args):
                self._process_translated(self.legacy, guide_name, payload, received_s)
            return
        raw = args[0] if args else msgspec.Raw(b"null")
        if not self._authenticated:
            if name == Event.AUTHENTICATED:
                self._open(self._read_authenticated(args), received_s)
            return
        self._observer.on_event(name, raw, received_s)
        if name not in EVENTS:
            self.apply(self.session.event(name, raw, received_s))

    def _process_translated(self, legacy: LegacyProtocolAdapter, name: str, payload: object, received_s: float) -> None:
        """Process an event that the adapter has translated; it leaves an invalid payload as it was received."""
        if isinstance(payload, Authenticated):
            if not self._authenticated:
                self._open(payload, received_s)
            return
        if not self._authenticated:
            return
        self._observer.on_event(name, payload, received_s)
        joined = legacy.joined(payload) if name == JOINED else None
        if joined is not None:
            command_id, reply = joined
            self._take_reply(command_id, Command.JOIN_CONVERSATION, reply, received_s)
        elif name not in EVENTS or not isinstance(payload, msgspec.Raw | dict):
            self.apply(self.session.event(name, payload, received_s))

    def _take_sign_in(self, legacy: LegacyProtocolAdapter, raw_json: str, received_s: float) -> None:
        assert self._connection is not None
        user = legacy.accept_sign_in(raw_json)
        if isinstance(user, str):
            self._connection.drop(user, ErrorCode.UNAUTHORIZED)
        else:
            self._open(user, received_s)

    def _read_authenticated(self, args: Sequence[msgspec.Raw]) -> Authenticated:
        """Read the contract's event, or the guide's, which shows that the server implements only the guide."""
        try:
            user: Authenticated = decode_event(Event.AUTHENTICATED, args[0] if args else b"null")
        except msgspec.DecodeError:
            self.legacy = LegacyProtocolAdapter()
            self.legacy.connect(self._endpoint, self._credentials())
            [(_, payload)] = self.legacy.events(Event.AUTHENTICATED, args)
            assert isinstance(payload, Authenticated)
            user = payload
        return user

    # Effects

    def _perform_all(self, todo: list[effects.Effect]) -> bool:
        """Perform effects in order; returns whether anything was sent."""
        has_sent = False
        for effect in todo:
            # Every message has these effects: tested before the match statement of `_perform`.
            if type(effect) is effects.Deliver:
                if self._deliver_to_user is not None:
                    self._deliver_to_user(effect.name, effect.payload)
            elif type(effect) is effects.Emit:
                has_sent = True
                self._emit(effect.command_id, effect.name, effect.payload)
            elif type(effect) is effects.Resolve:
                self._resolve(effect.request_id, effect.outcome)
            elif type(effect) is not effects.MessageSent:
                self._perform(effect)
        return has_sent

    def _deliver(self, name: str, payload: object) -> None:
        if self._deliver_to_user is not None:
            self._deliver_to_user(name, payload)

    def _record_sent(self, request_id: int) -> None:
        del request_id  # load generators do not read the state of messages

    def _resolve(self, request_id: int, outcome: Outcome) -> None:
        on_outcome = self._waiting.pop(request_id, None)
        if on_outcome is not None:
            on_outcome(outcome)

    def _emit(self, command_id: int, name: str, payload: Wire | str) -> None:
        if self._connection is None:
            return
        if isinstance(payload, SendMessage):
            self._record_send(command_id, payload)
        self._names[command_id] = name
        if self.legacy is None:
            self._send(name, (payload,), command_id)
            return
        prepared = self.legacy.prepare(command_id, name, payload)
        if isinstance(payload, SendMessage) and self.legacy.is_repeat(payload):
            self._observer.on_repeat(payload)
        outgoing = prepared.outgoing
        if outgoing is not None:
            self._send(outgoing.name, outgoing.args, command_id if outgoing.requests_ack else None)
        if prepared.reply is not None:
            # Deferred: the session is processing an input, and must not receive another one before it returns.
            self._loop.run_callback(self._take_reply, command_id, name, prepared.reply, now_s())

    def _send(self, name: str, args: Sequence[object], ack_id: int | None) -> None:
        """Send an event on the current connection, if there is one."""
        if self._connection is not None:
            self._connection.send(name, args, ack_id)

    def _record_send(self, command_id: int, message: SendMessage) -> None:
        """Report a message that is sent again while its ack is still expected on the same connection."""
        last_id, last_command_id = self._last_send
        if message.client_message_id == last_id and last_command_id in self._names:
            self._observer.on_unanswered(message)
        self._last_send = (str(message.client_message_id), command_id)

    def _take_reply(self, command_id: int, name: str, reply: Ok | RefusedReply, received_s: float) -> None:
        self._names.pop(command_id, None)
        self._observer.on_reply(name, reply, received_s)
        # A success that sends no request sets no deadline; computing the next one would cost the most CPU time.
        if self._perform_all(self.session.ack(command_id, reply, received_s)) or isinstance(reply, RefusedReply):
            self._set_timer()

    def _connect_after(self, delay_s: float) -> None:
        self._connect_timer.stop()
        self._connect_timer.close()
        self._connect_timer = self._loop.timer(max(delay_s, self._offline_until_s - now_s()))
        self._connect_timer.start(self._connect)

    def _connect(self) -> None:
        if self.session.connection.phase is ConnectionPhase.CONNECTING and self._connection is None:
            self._connection = self._open_connection()

    def _open_connection(self) -> GeventConnection:
        endpoint, auth = self._endpoint, self._credentials()
        if self.legacy is not None:
            endpoint, auth = self.legacy.connect(endpoint, auth)
        else:
            auth = self.session.connection.connect_auth(auth)
        if self._transport is TransportChoice.WEBSOCKET:
            return WebSocketConnection(endpoint, auth, self, self._timeout_s)
        upgrades = self._transport is TransportChoice.UPGRADE
        return PollingConnection(endpoint, auth, self, self._timeout_s, upgrades=upgrades)

    def _open(self, user: Authenticated, received_s: float) -> None:
        assert self._connection is not None
        self._authenticated = True
        self._connection.mark_established()
        self._observer.on_opened(self._connection.times, received_s)
        self.apply(self.session.connection_opened(user, received_s))

    def _start_renewal(self) -> None:
        self._loop.run_callback(self._renew_token)

    def _renew_token(self) -> None:
        token = None if self._renew is None else self._renew()
        self.apply(self.session.token_renewed(token, now_s()))

    def _drop(self, reason: str) -> None:
        if self._connection is None:
            self._connect_timer.stop()
            self._loop.run_callback(self.connection_ended, effects.ConnectionEnd(reason))
        elif reason == USER_REASON:
            self._connection.close()
        else:
            self._connection.drop(reason)

    def _set_timer(self) -> None:
        self._timer.set(self.session.next_deadline())

    def _on_timer(self) -> None:
        self.apply(self.session.tick(now_s()))
