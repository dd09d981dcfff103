"""Factories of the SDK's events and the protocol's entities, with defaults for sample conversations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import UNSET

from chatws.client import ConversationJoined, MessageReceived
from chatws.protocol.entities import Conversation, ConversationStatus, Message, ReadMark, User
from chatws.protocol.events import Authenticated, Timers
from chatws.protocol.responses import JoinAck
from chatws_cli.screen.state import ScreenState

GRACE = User(user_id="grace", user_name="Grace", role="customer")
ADA = User(user_id="ada", user_name="Ada", role="admin")
BOB = User(user_id="bob", user_name="Bob", role="admin")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TIMERS = Timers(typing_resend_ms=2_000, typing_expire_ms=3_000, presence_grace_ms=5_000, positions_ms=30_000)


def at(minutes: int) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


def message(
    seq: int, content: str = "text", sender: User = GRACE, *, conversation_id: str = "c1", own_id: str | None = None
) -> Message:
    return Message(
        conversation_id=conversation_id,
        content=content,
        sender=sender,
        timestamp=at(seq),
        message_id=f"m{seq}",
        seq=seq,
        client_message_id=UNSET if own_id is None else own_id,
    )


def received(
    seq: int, content: str = "text", sender: User = GRACE, *, conversation_id: str = "c1", own_id: str | None = None
) -> MessageReceived:
    stored = message(seq, content, sender, conversation_id=conversation_id, own_id=own_id)
    return MessageReceived(stored, own=own_id is not None, caught_up=False)


def conversation(
    conversation_id: str = "c1",
    status: ConversationStatus = "queued",
    *,
    version: int = 1,
    customer: User = GRACE,
    assignee: User | None = None,
    newest: Message | None = None,
    head_seq: int = 0,
) -> Conversation:
    return Conversation(
        conversation_id=conversation_id,
        status=status,
        version=version,
        customer=customer,
        assignee=assignee,
        created_at=at(0),
        updated_at=at(0) if newest is None else newest.timestamp,
        head_seq=head_seq if newest is None else newest.seq,
        last_message=newest,
    )


def joined(entry: Conversation, *marks: ReadMark, again: bool = False) -> ConversationJoined:
    ack = JoinAck(
        conversation=entry,
        epoch="e",
        recovered=False,
        messages=[],
        has_more=False,
        read_marks=list(marks),
        typing=[],
        presence=[],
    )
    return ConversationJoined(entry.conversation_id, ack, again=again)


def authenticated(user: User) -> Authenticated:
    return Authenticated(
        user_id=user.user_id,
        user_name=user.user_name,
        role=user.role,
        expires_at=at(60),
        server_time=at(0),
        epoch="e",
        timers=TIMERS,
    )


def screen_of(user: User, *conversations: Conversation) -> ScreenState:
    """Return a user's screen with these conversations, the first one open and loaded."""
    screen = ScreenState(user.role, UTC)
    screen.apply(authenticated(user), 0.0)
    for entry in conversations:
        screen.apply(joined(entry), 0.0)
    if conversations:
        screen.open(conversations[0].conversation_id)
        screen.load(conversations[0].conversation_id, [], has_more_before=False)
    return screen
