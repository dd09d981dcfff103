"""Simulation of a chat without a network: a session, a server's state, and two queues that a test may disturb."""

from __future__ import annotations

from collections import Counter, deque
from random import Random
from typing import TYPE_CHECKING

from chatws.client.core import effects
from chatws.client.core.event_names import Command, Event
from chatws.client.core.requests import ACK_TIMEOUT_S
from chatws.client.core.sdk_events import MessageReceived
from chatws.client.core.session import ChatSession, SessionOptions
from chatws.protocol.codec import convert_reply
from chatws.protocol.commands import History, JoinConversation, SendMessage
from chatws.protocol.entities import Message, User
from chatws.protocol.events import Authenticated, Timers
from chatws.protocol.ids import format_timestamp
from tests.client.chat_server import NOW, make_user, refusal

if TYPE_CHECKING:
    from chatws.client.core.effects import Effect
    from chatws.protocol.entities import Wire

PAGE = 3
IDENTITY = Authenticated(
    user_id="ann",
    user_name="Ann",
    role="customer",
    expires_at=NOW,
    server_time=NOW,
    epoch="e1",
    timers=Timers(typing_resend_ms=2000, typing_expire_ms=3000, presence_grace_ms=5000, positions_ms=30000),
)

Reply = dict[str, object]


class Simulation:
    """Each method is one event of the simulation; the session's effects are performed at once."""

    def __init__(self) -> None:
        self.session = ChatSession(Random(1), SessionOptions(retry_first_connect=True))
        self.now = 1000.0
        self.stored: list[Message] = []
        self.delivered: list[Message] = []
        self.resolutions: Counter[int] = Counter()
        self.outcomes: dict[int, object] = {}
        self.posted: dict[int, str] = {}
        self.events: list[tuple[str, object]] = []
        self.is_connected = False
        self.connect_at: float | None = None
        self.refusals: deque[Reply] = deque()
        self.to_server: deque[effects.Emit] = deque()
        self.to_client: deque[tuple[int, str, Reply] | Message] = deque()
        self.unacked: dict[str, float] = {}
        """Send times of unacknowledged messages of this connection, by clientMessageId."""
        self._in_room = False
        self._requests = 0

    def new_request_id(self) -> int:
        self._requests += 1
        return self._requests

    def start(self) -> None:
        self.perform(self.session.start(self.new_request_id(), self.now))
        self.perform(self.session.join(self.new_request_id(), "c", 0, None, self.now))

    def join(self) -> None:
        """Connect and complete the join."""
        self.connect()
        self.server_reads()
        self.client_reads()

    # Actions of users

    def post(self) -> None:
        request_id = self.new_request_id()
        self.posted[request_id] = f"id-{request_id}"
        self.perform(self.session.post(request_id, "c", f"own {request_id}", f"id-{request_id}", self.now))

    def post_as_agent(self) -> None:
        self._store("agent-1", "from the agent", None)

    # Events of the network

    def connect(self) -> None:
        """Open a connection if the session requests one."""
        if self.connect_at is not None:
            self.now = max(self.now, self.connect_at)
            self.connect_at, self.is_connected, self._in_room = None, True, False
            self.perform(self.session.connection_opened(IDENTITY, self.now))

    def fail_to_connect(self) -> None:
        if self.connect_at is not None:
            self.connect_at = None
            self.perform(self.session.connection_ended(effects.ConnectionEnd("refused"), self.now))

    def cut(self) -> None:
        """End the connection; everything in the queues is lost, also acks of completed requests."""
        if self.is_connected:
            self.is_connected = False
            self.to_server.clear()
            self.to_client.clear()
            self.unacked.clear()
            self.perform(self.session.connection_ended(effects.ConnectionEnd("cut"), self.now))

    def server_reads(self) -> None:
        """Let the server process the next request."""
        if self.to_server:
            emit = self.to_server.popleft()
            self.to_client.append((emit.command_id, emit.name, self._answer(emit)))

    def client_reads(self) -> None:
        if self.to_client:
            self._receive(self.to_client.popleft())

    def drop_next(self) -> None:
        """Drop the next packet to the client without ending the connection."""
        if self.to_client:
            self.to_client.popleft()

    def repeat_next(self) -> None:
        if self.to_client:
            self.to_client.appendleft(self.to_client[0])

    def delay_next(self) -> None:
        """Move the next packet to the client behind all others."""
        self.to_client.rotate(-1)

    def refuse_next(self) -> None:
        self.refusals.append(refusal("rate_limited", retryable=True, retry_after_ms=50))

    def hide_outcome(self) -> None:
        """Store the next message, but reply that the storage is unavailable."""
        self.refusals.append({"stored": True, **refusal("storage_unavailable", retryable=True)})

    def wait(self, seconds: float = 3.0) -> None:
        """Advance the clock, with a tick whenever one is due."""
        end = self.now + seconds
        for _ in range(10_000):
            deadline = self.session.next_deadline()
            if deadline is None or deadline > end:
                self.now = end
                return
            self.now = max(self.now, deadline)
            self.perform(self.session.tick(self.now))
        raise AssertionError("the session requests ticks without end")

    def recover(self) -> None:
        """Run without faults until nothing more happens."""
        self.refusals.clear()
        for _ in range(1000):
            self.connect()
            self.server_reads()
            self.client_reads()
            if self._is_idle():
                self.perform(self.session.event(Event.POSITIONS, {"c": len(self.stored)}, self.now))
                self.wait(60)
                if self._is_idle():
                    return
        raise AssertionError("the simulation does not become idle after the faults")

    # Internals

    def _is_idle(self) -> bool:
        return self.is_connected and not self.to_server and not self.to_client

    def perform(self, requested: list[Effect]) -> None:
        for effect in requested:
            match effect:
                case effects.Emit():
                    assert self.is_connected, "sent without a connection"
                    self._check_send(effect)
                    self.to_server.append(effect)
                case effects.Deliver(_, MessageReceived() as received):
                    self.delivered.append(received.message)
                case effects.Deliver(name, payload):
                    self.events.append((name, payload))
                case effects.Resolve(request_id, outcome):
                    self.resolutions[request_id] += 1
                    self.outcomes[request_id] = outcome
                case effects.Connect(delay_s):
                    self.connect_at = self.now + delay_s
                case effects.Drop():
                    self.cut()
                case _:
                    pass

    def _check_send(self, emit: effects.Emit) -> None:
        if isinstance(emit.payload, SendMessage):
            assert self._in_room, "sent before the join"
            message_id = str(emit.payload.client_message_id)
            assert self.now >= self.unacked.get(message_id, 0) + ACK_TIMEOUT_S, "retried before the timeout"
            self.unacked[message_id] = self.now
            assert len(self.unacked) == 1, "a message overtook an unacknowledged one"

    def _receive(self, item: tuple[int, str, Reply] | Message) -> None:
        if isinstance(item, Message):
            self.perform(self.session.event(Event.MESSAGE_RECEIVED, item, self.now))
        else:
            command_id, name, reply = item
            if name == Command.SEND_MESSAGE:
                self.unacked.clear()
            self.perform(self.session.ack(command_id, convert_reply(name, reply), self.now))

    def _answer(self, emit: effects.Emit) -> Reply:
        if self.refusals and emit.name in (Command.SEND_MESSAGE, Command.JOIN_CONVERSATION, Command.HISTORY):
            reply = self.refusals.popleft()
            if "stored" in reply and emit.name == Command.SEND_MESSAGE:
                self._append(emit.payload)
            return reply
        if emit.name == Command.SEND_MESSAGE:
            message = self._append(emit.payload)
            return {"success": True, "messageId": message.message_id, "seq": message.seq, "timestamp": NOW}
        if emit.name == Command.JOIN_CONVERSATION:
            return self._join(emit.payload)
        if emit.name == Command.HISTORY:
            return self._history(emit.payload)
        return {"success": True}

    def _append(self, payload: Wire | str) -> Message:
        assert isinstance(payload, SendMessage)
        earlier = [message for message in self.stored if message.client_message_id == payload.client_message_id]
        return earlier[0] if earlier else self._store("ann", payload.content, str(payload.client_message_id))

    def _store(self, sender: str, content: str, client_message_id: str | None) -> Message:
        seq = len(self.stored) + 1
        message = Message(
            conversation_id="c",
            content=content,
            sender=User(user_id=sender, user_name=sender, role="admin"),
            timestamp=format_timestamp(seq),
            message_id=f"m{seq}",
            seq=seq,
            **({} if client_message_id is None else {"client_message_id": client_message_id}),
        )
        self.stored.append(message)
        if self._in_room and self.is_connected:
            self.to_client.append(message)
        return message

    def _join(self, payload: Wire | str) -> Reply:
        assert isinstance(payload, JoinConversation)
        self._in_room = True
        after = payload.after_seq
        assert isinstance(after, int)
        missed = self.stored[after:]
        return {
            "success": True,
            "conversation": {
                "conversationId": "c",
                "status": "queued",
                "version": 1,
                "customer": make_user("ann"),
                "assignee": None,
                "createdAt": NOW,
                "updatedAt": NOW,
                "headSeq": len(self.stored),
                "lastMessage": None,
            },
            "epoch": "e1",
            "recovered": True,
            "messages": missed[:PAGE],
            "hasMore": len(missed) > PAGE,
            "readMarks": [],
            "typing": [],
            "presence": [],
        }

    def _history(self, payload: Wire | str) -> Reply:
        assert isinstance(payload, History)
        head = len(self.stored)
        after = payload.after_seq if isinstance(payload.after_seq, int) else max(0, head - PAGE)
        page = self.stored[after : after + PAGE]
        more = after + len(page) < head
        return {"success": True, "messages": page, "hasMoreBefore": False, "hasMoreAfter": more, "headSeq": head}
