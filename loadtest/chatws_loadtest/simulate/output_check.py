"""Check of everything that a server writes to one connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from chatws.protocol.commands import JoinConversation, SendMessage
from chatws.protocol.entities import Conversation, Message, Wire
from chatws.protocol.events import ConversationUpdated, MessageRead
from chatws.protocol.responses import HistoryAck, JoinAck, Refused, SendAck
from chatws_loadtest.simulate.cast import may_see
from chatws_loadtest.simulate.invariants import Judge
from chatws_loadtest.simulate.packets import RawAck, ServerEvent, ServerPacket
from chatws_loadtest.simulate.stored_state import StoredState
from chatws_loadtest.simulate.trace import SimulationTrace

ACK_LIMIT_S = 10.0


class SentRequest(NamedTuple):
    """Request of a client on this connection."""

    name: str
    payload: Wire | str


class FirstAcks:
    """First ack of each message, which every repetition has to get again; shared by all connections."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._acks: dict[tuple[str, str], SendAck] = {}

    def check(self, user_id: str, client_message_id: str, ack: SendAck) -> None:
        """Compare an ack with the first one."""
        first = self._acks.setdefault((user_id, client_message_id), ack)
        self._judge.require(
            (first.seq, first.message_id, first.timestamp) == (ack.seq, ack.message_id, ack.timestamp),
            "first-ack-again",
            "{} got #{} first, and #{} later.",
            client_message_id,
            first.seq,
            ack.seq,
        )


class OutputCheck:
    """Written packets of one connection, compared with the committed state and the client's requests."""

    def __init__(
        self,
        device: str,
        *,
        judge: Judge,
        stored: StoredState,
        first_acks: FirstAcks,
        trace: SimulationTrace,
        clock: Callable[[], float],
        lost_ack: Callable[[], None],
    ) -> None:
        self.requests: dict[int, SentRequest] = {}
        """Requests by ack id."""
        self.loses_next_ack = False
        """Set if the next ack of a message is to be lost; ``lost_ack`` is called then."""
        self._device = device
        self._judge = judge
        self._user_id = device.removesuffix(".2")
        self._stored = stored
        self._first_acks = first_acks
        self._trace = trace
        self._clock = clock
        self._lost_ack = lost_ack
        self._arrivals: dict[int, float] = {}
        self._answered: set[int] = set()
        self._delivered: dict[str, int | None] = {}
        """Last broadcast ``seq`` of each joined conversation; None before the first."""

    def arrived(self, ack_id: int) -> None:
        """Record that a request has reached the server."""
        self._arrivals[ack_id] = self._clock()
        request = self.requests[ack_id]
        if request.name == "join_conversation":
            self._delivered[_conversation_of(request.payload)] = None

    def written(self, packets: list[ServerPacket]) -> list[ServerPacket]:
        """Check packets and return those that the network does not lose."""
        is_lost = False
        for packet in packets:
            if isinstance(packet, ServerEvent):
                self._check_event(packet.name, packet.payload)
            elif isinstance(packet, RawAck):
                is_lost = self._check_ack(packet) or is_lost
        if is_lost:
            self._lost_ack()
            return []
        return packets

    def check_unanswered(self) -> None:
        """Check at the end that no request of the open connection waits for too long."""
        for ack_id, arrived_at in self._arrivals.items():
            if ack_id not in self._answered:
                waited_s = self._clock() - arrived_at
                name = self.requests[ack_id].name
                self._judge.require(waited_s <= ACK_LIMIT_S, "ack-in-time", "{} of {} has no ack.", name, self._device)

    def _check_event(self, name: str, payload: Any) -> None:  # noqa: ANN401  the table decides the type
        match payload:
            case Message():
                self._check_broadcast(payload)
            case MessageRead():
                mark = self._stored.read_marks.get((payload.conversation_id, payload.user_id), 0)
                self._judge.require(payload.seq <= mark, "commit-before-broadcast", "{} precedes its commit.", payload)
                self._check_visible(payload.conversation_id, name)
            case ConversationUpdated():
                self._check_conversation(payload.conversation)

    def _check_broadcast(self, message: Message) -> None:
        conversation_id = message.conversation_id
        self._check_visible(conversation_id, "message_received")
        self._check_committed(message)
        self._judge.require(
            conversation_id in self._delivered,
            "after-join",
            "{} receives #{} of {} without a join.",
            self._device,
            message.seq,
            conversation_id,
        )
        last = self._delivered.get(conversation_id)
        self._judge.require(
            last is None or message.seq == last + 1,
            "server-order",
            "{} receives #{} of {} after #{}.",
            self._device,
            message.seq,
            conversation_id,
            last,
        )
        self._delivered[conversation_id] = message.seq

    def _check_ack(self, packet: RawAck) -> bool:
        """Check an ack; return whether it has to be lost."""
        request = self.requests[packet.ack_id]
        self._judge.require(
            packet.ack_id not in self._answered, "one-ack", "{}: second ack of {}.", self._device, request.name
        )
        self._answered.add(packet.ack_id)
        waited_s = self._clock() - self._arrivals[packet.ack_id]
        self._judge.require(waited_s <= ACK_LIMIT_S, "ack-in-time", "{} took {} s.", request.name, waited_s)
        reply = packet.decode(request.name)
        match reply:
            case SendAck():
                assert isinstance(request.payload, SendMessage)
                self._check_send_ack(request.payload, reply)
                if self.loses_next_ack:
                    self.loses_next_ack = False
                    self._trace.add("the ack #{} to {} is lost", reply.seq, self._device)
                    return True
            case JoinAck():
                self._check_conversation(reply.conversation)
                self._check_page(reply.messages)
            case HistoryAck():
                self._check_page(reply.messages)
            case Refused():
                self._trace.add("{} is refused {}: {}", self._device, request.name, reply.error.code.value)
        return False

    def _check_send_ack(self, sent: SendMessage, ack: SendAck) -> None:
        message = self._stored.find(sent.conversation_id, ack.seq)
        client_id = None if sent.client_message_id is UNSET else sent.client_message_id
        self._judge.require(
            message is not None
            and (message.message_id, message.client_message_id) == (ack.message_id, client_id)
            and message.content == sent.content,
            "commit-before-ack",
            "{} gets the ack #{} of {!r}, where {} is stored.",
            self._device,
            ack.seq,
            sent.content,
            message,
        )
        self._first_acks.check(self._user_id, str(client_id), ack)

    def _check_page(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._check_committed(message)
            self._check_visible(message.conversation_id, "a page")
        seqs = [message.seq for message in messages]
        expected = list(range(seqs[0], seqs[0] + len(seqs))) if seqs else []
        self._judge.require(seqs == expected, "server-order", "A page of {} has {}.", self._device, seqs)

    def _check_committed(self, message: Message) -> None:
        stored = self._stored.find(message.conversation_id, message.seq)
        self._judge.require(
            stored is not None and (stored.message_id, stored.content) == (message.message_id, message.content),
            "commit-before-broadcast",
            "{} receives #{} of {} {!r}, where {} is stored.",
            self._device,
            message.seq,
            message.conversation_id,
            message.content,
            stored,
        )

    def _check_conversation(self, conversation: Conversation) -> None:
        conversation_id = conversation.conversation_id
        self._check_visible(conversation_id, "a conversation")
        stored = self._stored.statuses[conversation_id]
        self._judge.require(
            conversation.version <= stored.version and conversation.head_seq <= self._stored.head(conversation_id),
            "commit-before-broadcast",
            "{} receives {}, where {} is stored.",
            self._device,
            conversation,
            stored,
        )

    def _check_visible(self, conversation_id: str, what: str) -> None:
        self._judge.require(
            may_see(self._device, conversation_id),
            "own-conversations",
            "{} receives {} of {}.",
            self._device,
            what,
            conversation_id,
        )


def _conversation_of(payload: Wire | str) -> str:
    if isinstance(payload, JoinConversation):
        return payload.conversation_id
    assert isinstance(payload, str)
    return payload
