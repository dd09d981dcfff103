"""Simulated user: one connection, its requests, and the record of what it receives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import gevent.event
import msgspec

from chatws.client.core.effects import Emit
from chatws.client.core.event_names import Command, Event
from chatws.client.errors import ClientError
from chatws.client.gevent.driver import GeventDriver
from chatws.protocol.commands import History, MarkRead
from chatws.protocol.entities import Message, Presence
from chatws.protocol.events import Authenticated, MessageRead, TypingIndicator
from chatws.protocol.responses import HistoryAck, JoinAck, Ok, SendAck
from chatws.protocol.responses import Refused as RefusedReply
from chatws.protocol.spec import EVENTS
from chatws_loadtest.checkers.indicator_receiver import IndicatorReceiver
from chatws_loadtest.checkers.message_receiver import MessageReceiver
from chatws_loadtest.checkers.outage_timer import OutageTimer
from chatws_loadtest.load_state import now_s
from chatws_loadtest.locust_worker.message_sender import UserMessageSender
from chatws_loadtest.locust_worker.recorded_driver import RecordedDriver
from chatws_loadtest.locust_worker.user_credentials import UserCredentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatws.client.core.effects import ConnectionEnd, Effect
    from chatws.client.gevent.connection import ConnectTimings
    from chatws.client.gevent.driver import Outcome
    from chatws.client.gevent.endpoint import Endpoint
    from chatws.client.gevent.transport_choice import TransportChoice
    from chatws.protocol.commands import SendMessage
    from chatws_loadtest.ipc import ShortLivedToken
    from chatws_loadtest.load_state import RoomState, SharedState

HISTORY_LIMIT: Final = 20
END_MARGIN_S: Final = 1.0
"""Time after the server's timeout by which typing must have ended."""

# In Python 3.11, an attribute of an enumeration takes ten times as long to read as a global.
_JOIN_CONVERSATION: Final = Command.JOIN_CONVERSATION
_TYPING_START: Final = Command.TYPING_START

TRANSLATED: Final = frozenset({Event.MESSAGE_RECEIVED, Event.TYPING_INDICATOR, Event.PRESENCE_UPDATE, Event.ERROR})
"""Events of the guide whose payloads the driver checks on a server without the additions."""


class ChatUser:
    """Member of one room; implements the `ConnectionObserver` of its driver."""

    def __init__(
        self,
        shared: SharedState,
        room: RoomState,
        member: int,
        auth: dict[str, str],
        endpoint: Endpoint,
        *,
        transport: TransportChoice,
    ) -> None:
        self.joined: gevent.event.AsyncResult = gevent.event.AsyncResult()
        """Result of the first join: None, or the error that prevented it."""
        self.failed_attempts = 0
        """Connections that ended before the room was joined for the first time."""
        self.connect_error = ""
        """Reason of the last of them."""
        self.is_up = False
        self._has_left = False
        self._shared = shared
        self._ledger = shared.ledger
        self._receiver = MessageReceiver(shared, room, member)
        self._indicators = IndicatorReceiver(shared, room, member)
        self._transport = transport
        self.member = member
        self._room = room
        self.user_id = ""
        """User id that the server has given; empty before the first connection."""
        self.presence_grace_s = 0.0
        """Time after the last disconnect of a user at which the server shows it as offline."""
        self._last_seq = 0
        self._marked_seq = 0
        # Members that had joined when this user began to connect.
        self._earlier_members = 0
        self._typing_ends_within_s = 0.0
        self._credentials = UserCredentials(auth)
        driver_type = GeventDriver if shared.recorder is None else partial(RecordedDriver, shared.recorder)
        self._driver = driver_type(
            endpoint,
            self._credentials.current,
            self,
            shared.backoff_rng,
            transport=transport,
            mapping=shared.mapping,
            timeout_s=shared.plan.connect_timeout_s,
            renew=self._credentials.renew if self.is_agent else None,
        )
        self._sender = UserMessageSender(shared, room, member, self._driver)
        self._outage = OutageTimer(shared.record_outage)
        # Time of `authenticated`; None once the room is joined.
        self._authenticated_s: float | None = None

    @property
    def is_disconnected(self) -> bool:
        """Whether the connection was lost and not restored."""
        return self._outage.is_running

    @property
    def _is_joined(self) -> bool:
        return bool(self._room.connected >> self.member & 1)

    @property
    def joins_later(self) -> bool:
        """Whether the user connects only after messages of its room."""
        return self.member in self._room.late

    @property
    def is_agent(self) -> bool:
        """Whether the user has an agent's token, not a customer's session."""
        return self._credentials.is_token

    @property
    def is_guide_only(self) -> bool:
        """Whether the server offers none of the additions to the guide."""
        return self._driver.legacy is not None

    def connect(self) -> None:
        """Connect and join the room, with retries; `joined` is set when that is done."""
        self._shared.requests += 1
        self._earlier_members = self._room.connected
        self._driver.ask(self._driver.session.start, self._on_connected)

    def cut(self, offline_s: float = 0.0) -> None:
        """Simulate the loss of the connection, and of the network for some time."""
        self._driver.cut(offline_s)

    def replace_token(self, tokens: Mapping[str, ShortLivedToken]) -> None:
        """Use a token that expires soon, if ``tokens`` has one for this user's token."""
        token = self._credentials.shorten(tokens)
        if token is not None:
            self._driver.apply(self._driver.session.token_renewed(token, now_s()))

    def close(self) -> None:
        """Disconnect permanently."""
        self._has_left = True
        self._driver.close()
        self._room.present.discard(self.member)
        if self.is_up:
            self._mark_down()

    def give_up(self) -> None:
        """Disconnect a user that has not joined its room; the others continue without it if there are two of them."""
        self.close()
        self._ledger.leave(self._room.index, self.member)
        self._room.first_joined.set()
        self._room.members = max(2, self._room.members - 1)

    def send_message(self, scheduled_s: float) -> int:
        """Send a message that was scheduled for ``scheduled_s``, and return its number."""
        return self._sender.send(scheduled_s)

    def start_typing(self, scheduled_s: float) -> None:
        """Send a typing start that was scheduled for ``scheduled_s``."""
        room = self._room
        todo = self._driver.session.typing(room.conversation_id, now_s(), is_typing=True)
        if todo and self._is_joined and _starts_typing(todo):
            room.typing.start(self.member, self.user_id, room.peers(self.member), scheduled_s, now_s())
        self._driver.perform(todo)

    def stop_typing(self) -> None:
        """Send the end of typing, which must end the peers' indicators, as the timeout does."""
        self._driver.perform(self._driver.session.typing(self._room.conversation_id, now_s(), is_typing=False))
        self.let_typing_expire()

    def let_typing_expire(self) -> None:
        """Expect that the server ends the current typing by its timeout at the latest."""
        self._room.typing.expect_end(self.member, self._typing_ends_within_s)

    def mark_read(self) -> None:
        """Mark the newest received message as read."""
        seq = self._last_seq
        if not seq or self.is_guide_only:
            return
        if seq > self._marked_seq and self._is_joined:
            self._room.reads.mark(self.user_id, seq, self._room.peers(self.member), now_s())
        self._marked_seq = max(seq, self._marked_seq)
        self._call(
            Command.MARK_READ,
            MarkRead(conversation_id=self._room.conversation_id, seq=seq),
            lambda: self._room.reads.cancel(self.user_id, seq),
        )

    def read_history(self) -> None:
        """Request the newest page of the history."""
        if not self.is_guide_only:
            page = History(conversation_id=self._room.conversation_id, limit=HISTORY_LIMIT)
            self._call(Command.HISTORY, page, lambda: None)

    # ConnectionObserver

    def on_opened(self, times: ConnectTimings, authenticated_s: float) -> None:
        if not self._outage.is_running:
            samples = self._ledger.samples
            self._add_sample("connect", authenticated_s - times.started_s)
            samples.add("transport", times.transport_s - times.started_s)
            # A server may send `authenticated` before its reply to CONNECT.
            namespace_s = times.namespace_s or authenticated_s
            samples.add("namespace", namespace_s - times.transport_s)
            samples.add("authenticated", authenticated_s - namespace_s)
            self._authenticated_s = authenticated_s
        self._outage.attempt_began(times.started_s)
        self._shared.connections += 1
        self.is_up = True

    def on_upgraded(self, times: ConnectTimings) -> None:
        self._add_sample("upgrade", times.upgraded_s - times.transport_s)

    def on_upgrade_failed(self, reason: str) -> None:
        self._shared.fail("upgrade")
        self._shared.upgrade_error = reason

    def on_ended(self, end: ConnectionEnd, ended_s: float) -> None:
        if self._has_left:
            return
        if not self.joined.ready():
            self.failed_attempts += 1
            self.connect_error = end.reason
        if not self.is_up:
            self._shared.fail("connect")
            self._shared.connect_error = end.reason
            self._shared.requests += 1
            return
        self._mark_down()
        if not self._outage.is_running:
            self._outage.connection_ended(ended_s)
            if end.reason != "cut":
                self._shared.fail("connection ended")

    def on_event(self, name: str, payload: object, received_s: float) -> None:
        match payload:
            case Message():
                self._receive_live(payload, received_s)
            case TypingIndicator() | Presence() | MessageRead():
                self._indicators.receive(payload, received_s, is_guide_only=self.is_guide_only)
            case msgspec.Raw() if name in (EVENTS if self._driver.legacy is None else TRANSLATED):
                self._ledger.deviations.add("malformed", f"{name} events of another form", bytes(payload).decode())
            case _ if name == Event.ERROR:
                self._shared.fail("error event")

    def on_reply(self, name: str, reply: Ok | RefusedReply, received_s: float) -> None:
        match reply:
            case SendAck():
                return
            case JoinAck():
                # A server of the guide has no seq; the one that the driver generates does not cover missed messages.
                head = None if self.is_guide_only else reply.conversation.head_seq
                self._ledger.enter(self._room.index, self.member, head, received_s)
                self._room.present.add(self.member)
                self._room.connected |= 1 << self.member
                self._record_joined(received_s)
                self._receive_missed(reply.messages, received_s)
                self._outage.rejoined(head or 0, self._last_seq, received_s)
            case HistoryAck():
                self._receive_missed(reply.messages, received_s)
            case RefusedReply() if not self._sender.has_unclear_ack:
                self._shared.fail(reply.error.code)
        if name == _JOIN_CONVERSATION:
            self._shared.requests += 1

    def on_repeat(self, message: SendMessage) -> None:
        self._sender.repeated(message)

    def on_unanswered(self, message: SendMessage) -> None:
        self._sender.unanswered(message)

    def on_malformed_ack(self, name: str, raw_json: str) -> None:
        what = "acks without `success`" if "success" not in raw_json else "acks of another form"
        self._ledger.deviations.add("malformed", f"{what} ({name})", raw_json)
        self._sender.has_unclear_ack = name == Command.SEND_MESSAGE

    def on_second_ack(self, raw_json: str) -> None:
        self._ledger.deviations.add("malformed", "second acks of one message", raw_json)

    def _receive_live(self, message: Message, received_s: float) -> None:
        seq = message.seq if self._driver.legacy is None else 0
        if self._receiver.receive(message, seq, received_s):
            # Not `_advance`: nearly every call comes from here, outside of outages.
            self._last_seq = max(self._last_seq, seq)
            if self._outage.is_running:
                self._outage.received(seq, received_s)

    def _receive_missed(self, messages: list[Message], received_s: float) -> None:
        for message in messages:
            if self._receiver.catch_up(message, received_s):
                self._advance(message.seq, received_s)

    def _advance(self, seq: int, received_s: float) -> None:
        self._last_seq = max(self._last_seq, seq)
        self._outage.received(seq, received_s)

    def _record_joined(self, received_s: float) -> None:
        if self._authenticated_s is not None:
            self._ledger.samples.add("joined", received_s - self._authenticated_s)
            self._authenticated_s = None

    def _mark_down(self) -> None:
        self.is_up = False
        self._shared.connections -= 1
        self._room.drop(self.member)
        self._ledger.drop(self._room.index, self.member)

    def _add_sample(self, metric: str, seconds: float) -> None:
        """Record a latency, also by transport if the users have different ones."""
        self._ledger.samples.add(metric, seconds)
        if self._ledger.transports:
            self._ledger.samples.add(f"{metric}@{self._transport}", seconds)

    def _call(self, name: Command, payload: MarkRead | History, on_failure: Callable[[], None]) -> None:
        self._shared.requests += 1
        requested_s = now_s()
        session = self._driver.session

        def record(outcome: Outcome) -> None:
            if isinstance(outcome, Ok):
                self._ledger.samples.add(name, now_s() - requested_s)
            else:
                on_failure()

        self._driver.ask(lambda request_id, now: session.call(request_id, name, payload, now, repeat=True), record)

    def _on_connected(self, outcome: Outcome) -> None:
        if isinstance(outcome, Authenticated):
            self.user_id = outcome.user_id
            self._room.identities[self.member] = (outcome.user_id, outcome.role)
            self.presence_grace_s = outcome.timers.presence_grace_ms / 1000
            self._typing_ends_within_s = outcome.timers.typing_expire_ms / 1000 + END_MARGIN_S
            self._expect_presence()
            session, conversation_id = self._driver.session, self._room.conversation_id
            self._driver.ask(
                lambda request_id, now: session.join(request_id, conversation_id, None, None, now), self._on_joined
            )
        else:
            self._on_joined(outcome)

    def _on_joined(self, outcome: Outcome) -> None:
        self._room.first_joined.set()
        if not self.joined.ready():
            self.joined.set(outcome if isinstance(outcome, ClientError) else None)

    def _expect_presence(self) -> None:
        """Expect that the members that had joined before this user connected see it come online."""
        shared, room = self._shared, self._room
        # A server of the guide may announce a user's first connection only, on any load process.
        is_announced = not self.is_guide_only or (shared.plan.processes == 1 and self.user_id not in shared.user_ids)
        shared.user_ids.add(self.user_id)
        if is_announced and self._authenticated_s is not None:
            peers = room.peers(self.member) & self._earlier_members
            room.presence.came_online(self.user_id, peers, self._authenticated_s)


def _starts_typing(todo: list[Effect]) -> bool:
    # A loop: it takes a fifth of the time of `any` with a generator.
    for effect in todo:  # noqa: SIM110
        if type(effect) is Emit and effect.name == _TYPING_START:
            return True
    return False
