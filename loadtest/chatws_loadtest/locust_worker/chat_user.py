"""One user of the load: a connection, what it says, and what the ledger is told of it."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

import gevent.event

from chatws.client.core.event_names import Command, Event
from chatws.client.errors import ClientError, OutboxFull, RequestRefused
from chatws.client.gevent.driver import GeventDriver
from chatws.protocol.commands import History, MarkRead
from chatws.protocol.entities import Message
from chatws.protocol.events import Authenticated, TypingIndicator
from chatws.protocol.responses import HistoryAck, JoinAck, Ok, SendAck
from chatws.protocol.responses import Refused as RefusedReply
from chatws_loadtest.ipc import Outage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatws.client.core.effects import ConnectionEnd
    from chatws.client.gevent.driver import Outcome
    from chatws.client.gevent.endpoint import Endpoint
    from chatws.client.gevent.websocket import ConnectTimings
    from chatws.protocol.commands import SendMessage
    from chatws_loadtest.ipc import ShortLived, WorkerPlan
    from chatws_loadtest.ledger import Ledger

now_s = time.perf_counter
HISTORY_PAGE: Final = 20


class SharedState:
    """What all users of a process write to."""

    def __init__(self, plan: WorkerPlan, ledger: Ledger) -> None:
        self.plan = plan
        self.ledger = ledger
        self.connections = 0
        self.requests = 0
        self.came_back = 0
        self.failures: Counter[str] = Counter()
        self.trouble = ""
        """Why a connection last failed to come about."""
        self.outages: list[Outage] = []
        self.on_failure: Callable[[str], None] = lambda _: None
        # One for all: a generator's state is 2.5 kB, a tenth of what a user may cost.
        self.backoff_rng = Random(plan.seed)

    def fail(self, what: str) -> None:
        """Note that something failed."""
        self.failures[what] += 1
        self.on_failure(what)


class RoomState:
    """One conversation of the load: who is in it, until when, and who types since when."""

    def __init__(self, index: int, conversation_id: str, members: int) -> None:
        self.index = index
        self.conversation_id = conversation_id
        self.members = members
        self.present: set[int] = set()
        self.silent: set[int] = set()
        """Members who will say nothing more before they leave."""
        self.visits = 0
        self.leave_at_s: float | None = None
        """When everybody falls silent, to leave once all is settled."""
        self.typing_since_s: dict[str, float] = {}


class ChatUser:
    """One member of one room; a witness of its driver."""

    def __init__(
        self, books: SharedState, room: RoomState, member: int, auth: dict[str, str], address: Endpoint
    ) -> None:
        self.joined: gevent.event.AsyncResult = gevent.event.AsyncResult()
        """Set by the first join: None, or the error that made it impossible."""
        self.is_up = False
        self._has_left = False
        self._books = books
        self._ledger = books.ledger
        self._mark = f"{books.plan.tag}-"
        self.member = member
        self._room = room
        self._user_id = ""
        self._last_seq = 0
        self._auth = auth
        # Set while the token is one that expires.
        self._short_lived: ShortLived | None = None
        self._driver = GeventDriver(
            address,
            self._give_auth,
            self,
            books.backoff_rng,
            timeout_s=books.plan.connect_timeout_s,
            renew=self._renew if "token" in auth else None,
        )
        # Set while the connection is gone: since when; and, once it is back, which seq ends the catching up.
        self._ended_s: float | None = None
        self._began_s = 0.0
        self._rejoined_s = 0.0
        self._missed_until: int | None = None
        # When the server said who we are; None once the room is entered.
        self._authenticated_s: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether the connection was lost and is not back."""
        return self._ended_s is not None

    @property
    def is_guide_only(self) -> bool:
        return self._driver.guide is not None

    def connect(self) -> None:
        """Connect and enter the room, and keep trying; `joined` says when."""
        self._books.requests += 1
        self._driver.ask(self._driver.session.start, self._on_connected)

    def cut(self) -> None:
        """Lose the connection."""
        self._driver.cut()

    def shorten(self, tokens: Mapping[str, ShortLived]) -> None:
        """Go on under a token that expires soon, if there is one for this user."""
        self._short_lived = tokens.get(self._auth.get("token", ""))
        if self._short_lived is not None:
            self._auth = {"token": self._short_lived.token}
            self._driver.apply(self._driver.session.token_renewed(self._short_lived.token, now_s()))

    def close(self) -> None:
        """Leave for good."""
        self._has_left = True
        self._driver.close()
        self._room.present.discard(self.member)
        if self.is_up:
            self._go_down()

    def say(self, intended_s: float) -> None:
        """Send a message that should have left at ``intended_s``."""
        ledger, plan = self._ledger, self._books.plan
        number = ledger.send(self._room.index, self.member, intended_s, now_s())
        self._books.requests += 1
        content = f"{plan.tag}-{self.member}-{number}-".ljust(plan.habits.content_chars, ".")
        own_id = f"{plan.tag}-{number}"
        session, conversation_id = self._driver.session, self._room.conversation_id
        try:
            self._driver.ask(
                lambda request_id, now: session.post(request_id, conversation_id, content, own_id, now),
                partial(self._on_sent, number),
            )
        except OutboxFull:
            ledger.refuse(number, "outbox_full")
            self._books.fail("outbox_full")

    def type(self, intended_s: float) -> None:
        """Begin to type; the peers' receipt is timed from ``intended_s``."""
        if not self.is_up:
            return
        self._room.typing_since_s[self._user_id] = intended_s
        self._driver.tell(self._driver.session.typing(self._room.conversation_id, now_s(), is_typing=True))

    def mark_read(self) -> None:
        """Say how far this user has read."""
        if self._last_seq and not self.is_guide_only:
            self._call(Command.MARK_READ, MarkRead(conversation_id=self._room.conversation_id, seq=self._last_seq))

    def read_history(self) -> None:
        """Ask for the newest page."""
        if not self.is_guide_only:
            page = History(conversation_id=self._room.conversation_id, limit=HISTORY_PAGE)
            self._call(Command.HISTORY, page)

    # Witness

    def saw_opened(self, times: ConnectTimings, authenticated_s: float) -> None:
        """See `Witness`."""
        if self._ended_s is None:
            samples = self._ledger.samples
            samples.add("connect", authenticated_s - times.started_s)
            samples.add("transport", times.transport_s - times.started_s)
            # A server may say who we are before it answers CONNECT.
            namespace_s = times.namespace_s or authenticated_s
            samples.add("namespace", namespace_s - times.transport_s)
            samples.add("authenticated", authenticated_s - namespace_s)
            self._authenticated_s = authenticated_s
        self._began_s = times.started_s
        self._books.connections += 1
        self.is_up = True

    def saw_ended(self, end: ConnectionEnd, ended_s: float) -> None:
        """See `Witness`."""
        if self._has_left:
            return
        if not self.is_up:
            self._books.fail("connect")
            self._books.trouble = end.reason
            self._books.requests += 1
            return
        self._go_down()
        if self._ended_s is None:
            self._ended_s = ended_s
            if end.reason != "cut":
                self._books.fail("connection ended")

    def saw_event(self, name: str, payload: object, heard_s: float) -> None:
        """See `Witness`."""
        match payload:
            case Message():
                self._hear(payload, heard_s, live=True)
            case TypingIndicator(is_typing=True, user_id=user_id):
                since_s = self._room.typing_since_s.pop(user_id, None)
                if since_s is not None and self._is_measured(since_s):
                    self._ledger.samples.add("typing", heard_s - since_s)
            case _ if name == Event.ERROR:
                self._books.fail("error event")

    def saw_reply(self, name: str, reply: Ok | RefusedReply, heard_s: float) -> None:
        """See `Witness`."""
        match reply:
            case JoinAck():
                # A guide's server has no seq, and its synthetic one says nothing of what was missed.
                head = None if self.is_guide_only else reply.conversation.head_seq
                self._ledger.enter(self._room.index, self.member, head, heard_s)
                self._room.present.add(self.member)
                self._note_joined(heard_s)
                for message in reply.messages:
                    self._hear(message, heard_s, live=False)
                self._note_return(head or 0, heard_s)
            case HistoryAck():
                for message in reply.messages:
                    self._hear(message, heard_s, live=False)
            case RefusedReply():
                self._books.fail(reply.error.code)
        if name == Command.JOIN_CONVERSATION:
            self._books.requests += 1

    def saw_repeat(self, message: SendMessage) -> None:
        """See `Witness`."""
        _, _, number = str(message.client_message_id).rpartition("-")
        self._ledger.send_again(int(number))

    # Parts

    def _renew(self) -> str | None:
        """Give a fresh token, but only once the present one has expired: it is the refusals that are tested."""
        short = self._short_lived
        if short is None or time.time() < short.expired_at_s:
            return None
        self._auth, self._short_lived = {"token": short.next_token}, None
        return short.next_token

    def _give_auth(self) -> dict[str, str]:
        self._renew()
        return self._auth

    def _hear(self, message: Message, heard_s: float, *, live: bool) -> None:
        if not message.content.startswith(self._mark) or message.conversation_id != self._room.conversation_id:
            return
        _, sender, number, _ = message.content.split("-", 3)
        seq = message.seq if self._driver.guide is None else 0
        self._last_seq = max(self._last_seq, seq)
        if live:
            self._ledger.receive(
                self._room.index, self.member, sender=int(sender), number=int(number), seq=seq, now_s=heard_s
            )
        else:
            self._ledger.catch_up(self._room.index, self.member, int(number), seq, heard_s)
        if self._missed_until is not None and seq >= self._missed_until:
            self._end_outage(heard_s)

    def _note_joined(self, heard_s: float) -> None:
        if self._authenticated_s is not None:
            self._ledger.samples.add("joined", heard_s - self._authenticated_s)
            self._authenticated_s = None

    def _note_return(self, head: int, heard_s: float) -> None:
        if self._ended_s is None:
            return
        self._rejoined_s = heard_s
        if self._last_seq >= head:
            self._end_outage(heard_s)
        else:
            self._missed_until = head

    def _end_outage(self, caught_up_s: float) -> None:
        assert self._ended_s is not None
        self._books.outages.append(Outage(self._ended_s, self._began_s, self._rejoined_s, caught_up_s))
        self._books.came_back += 1
        self._ended_s = self._missed_until = None

    def _go_down(self) -> None:
        self.is_up = False
        self._books.connections -= 1
        self._room.typing_since_s.pop(self._user_id, None)
        self._ledger.drop(self._room.index, self.member)

    def _is_measured(self, intended_s: float) -> bool:
        return self._ledger.measure_from_s <= intended_s < self._ledger.measure_until_s

    def _call(self, name: Command, payload: MarkRead | History) -> None:
        self._books.requests += 1
        asked_s = now_s()
        session = self._driver.session

        def answered(outcome: Outcome) -> None:
            if isinstance(outcome, Ok):
                self._ledger.samples.add(name, now_s() - asked_s)

        self._driver.ask(lambda request_id, now: session.call(request_id, name, payload, now, repeat=True), answered)

    def _on_connected(self, outcome: Outcome) -> None:
        if isinstance(outcome, Authenticated):
            self._user_id = outcome.user_id
            session, conversation_id = self._driver.session, self._room.conversation_id
            self._driver.ask(
                lambda request_id, now: session.join(request_id, conversation_id, None, None, now), self._on_joined
            )
        elif not self.joined.ready():
            self.joined.set(outcome)

    def _on_joined(self, outcome: Outcome) -> None:
        if not self.joined.ready():
            self.joined.set(outcome if isinstance(outcome, ClientError) else None)

    def _on_sent(self, number: int, outcome: Outcome) -> None:
        if isinstance(outcome, SendAck):
            self._ledger.ack(number, outcome.seq, now_s())
        elif isinstance(outcome, RequestRefused):
            self._ledger.refuse(number, outcome.code)
