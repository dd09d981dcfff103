"""Traffic of one client: the events of a conversation as the server sends and receives them."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from chatws.protocol.commands import SendMessage
from chatws.protocol.entities import Message, User
from chatws.protocol.events import TypingIndicator
from chatws.protocol.ids import format_timestamp, new_id
from chatws.protocol.responses import SendAck

_SEED: Final = 20251028
_START_MS: Final = 1_761_643_800_000
_PAUSE_MS: Final = 7_000
_TEXT: Final = (
    "hello thanks order parcel when where delivery today tomorrow please could you check the number on your label and "
    "I will look it up it left our depot this morning is there anything else that we can do for address changed refund "
    "card sorry to hear that let me see one moment great perfect no problem have a nice day invoice email phone"
)
_WORDS_PER_MESSAGE: Final = (2, 40)


class OutgoingPacket(NamedTuple):
    """Event, or ack if there is no name."""

    name: str | None
    payload: object


class SampleTraffic(NamedTuple):
    """Packets that the server sends to one client, and messages that it receives from that client."""

    sent: list[OutgoingPacket]
    received: list[SendMessage]


def make_traffic(messages: int) -> SampleTraffic:
    """Return a conversation of two users who answer each other: typing indicators, messages, acks."""
    rng = random.Random(_SEED)
    agent = User(user_id="agent-1", user_name="Grace", role="admin")
    customer = User(user_id=new_id(_START_MS), user_name="Visitor 7", role="customer")
    conversation_id = new_id(_START_MS)
    words = _TEXT.split()
    traffic = SampleTraffic([], [])
    for seq in range(1, messages + 1):
        now_ms = _START_MS + seq * _PAUSE_MS
        content = " ".join(rng.choices(words, k=rng.randint(*_WORDS_PER_MESSAGE))).capitalize() + "."
        sender = agent if seq % 2 else customer
        client_message_id = new_id(now_ms)
        message = Message(
            conversation_id=conversation_id,
            content=content,
            sender=sender,
            timestamp=format_timestamp(now_ms),
            message_id=new_id(now_ms),
            seq=seq,
            client_message_id=client_message_id,
        )
        if sender is agent:
            traffic.sent.append(OutgoingPacket("typing_indicator", _typing(message, is_typing=True)))
        traffic.sent.append(OutgoingPacket("message_received", message))
        if sender is agent:
            traffic.sent.append(OutgoingPacket("typing_indicator", _typing(message, is_typing=False)))
        else:
            traffic.received.append(
                SendMessage(conversation_id=conversation_id, content=content, client_message_id=client_message_id)
            )
            ack = SendAck(message_id=message.message_id, seq=seq, timestamp=message.timestamp)
            traffic.sent.append(OutgoingPacket(None, ack))
    return traffic


def _typing(message: Message, *, is_typing: bool) -> TypingIndicator:
    return TypingIndicator(
        conversation_id=message.conversation_id,
        user_id=message.sender.user_id,
        user_name=message.sender.user_name,
        is_typing=is_typing,
    )
