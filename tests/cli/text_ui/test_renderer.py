from __future__ import annotations

from datetime import UTC
from typing import get_args

import msgspec
import pytest

from chatws.client import ConnectionChange, ConversationJoined, ConversationReloaded, MessageReceived
from chatws.protocol.entities import Conversation, ConversationStatus, Message, Presence, User
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import BotNotice, ConversationUpdated, Failed, MessageRead, ServerDraining, TypingIndicator
from chatws.protocol.responses import InboxAck, JoinAck
from chatws_cli.text_ui.renderer import TextRenderer

ADA = User(user_id="a1", user_name="Ada", role="admin")
GRACE = User(user_id="c1", user_name="Grace", role="customer")
MOMENT = "2026-01-02T03:04:05.000Z"


def conversation(
    head: int = 0, status: ConversationStatus = "queued", version: int = 1, name: str = "c"
) -> Conversation:
    return Conversation(
        conversation_id=name,
        status=status,
        version=version,
        customer=GRACE if name == "c" else User(user_id=f"c-{name}", user_name="Eve", role="customer"),
        assignee=ADA if status == "assigned" else None,
        created_at=MOMENT,
        updated_at=MOMENT,
        head_seq=head,
        last_message=None,
    )


def message(seq: int, sender: User = GRACE, content: str | None = None, name: str = "c") -> Message:
    return Message(
        conversation_id=name,
        content=f"text {seq}" if content is None else content,
        sender=sender,
        timestamp=MOMENT,
        message_id=f"m{seq}",
        seq=seq,
    )


def received(seq: int, sender: User = GRACE, *, own: bool = False, caught_up: bool = False) -> MessageReceived:
    return MessageReceived(message(seq, sender), own=own, caught_up=caught_up)


def typing(is_typing: bool, user: User = GRACE, name: str = "c") -> TypingIndicator:
    return TypingIndicator(conversation_id=name, user_id=user.user_id, user_name=user.user_name, is_typing=is_typing)


def presence(user_id: str, status: str) -> Presence:
    return msgspec.convert({"userId": user_id, "status": status, "timestamp": MOMENT}, Presence)


def read(seq: int, user: User = GRACE) -> MessageRead:
    return MessageRead(conversation_id="c", user_id=user.user_id, seq=seq, timestamp=MOMENT)


def joined(head: int, *, again: bool, recovered: bool = True) -> ConversationJoined:
    ack = JoinAck(
        conversation=conversation(head),
        epoch="e",
        recovered=recovered,
        messages=[],
        has_more=False,
        read_marks=[],
        typing=[],
        presence=[],
    )
    return ConversationJoined("c", ack, again)


@pytest.fixture
def view() -> TextRenderer:
    opened = TextRenderer(ADA.user_id, UTC)
    opened.open(conversation(head=2), [message(1), message(2, ADA)])
    return opened


def texts(view: TextRenderer, *events: object) -> list[str]:
    return [line.text.strip() for event in events for line in view.apply(event)]


def test_opening_shows_whose_conversation_it_is_and_its_history() -> None:
    lines = TextRenderer(ADA.user_id, UTC).open(conversation(head=2), [message(1), message(2, ADA)])
    assert [line.text.strip() for line in lines] == [
        "conversation c with Grace",
        "waiting for an agent",
        "-- 2026-01-02 --",
        "03:04  Grace (customer): text 1",
        "03:04  you: text 2",
    ]


def test_a_message_shown_in_the_history_is_not_shown_again(view: TextRenderer) -> None:
    assert texts(view, received(2, ADA), received(1), received(3)) == ["03:04  Grace (customer): text 3"]


def test_the_echo_of_an_own_message_is_dropped(view: TextRenderer) -> None:
    assert texts(view, received(3, ADA, own=True)) == []
    assert texts(view, received(4)) == ["03:04  Grace (customer): text 4"]


def test_other_conversations_show_nothing(view: TextRenderer) -> None:
    other = MessageReceived(message(9, name="other"), own=False, caught_up=False)
    assert texts(view, other, typing(True, name="other")) == []
    assert texts(view, ConversationUpdated(conversation=conversation(name="other"))) == []


def test_remote_text_and_names_cannot_control_the_terminal(view: TextRenderer) -> None:
    evil = User(user_id="c1", user_name="\x1b]0;x\x07E\nve", role="customer")
    shown = view.apply(MessageReceived(message(3, evil, "a\x1b[2J\u202eb\nc"), own=False, caught_up=False))
    assert [line.text for line in shown] == ["03:04  ]0;xE ve (customer): a[2Jb", "       c"]


def test_typing_start_and_stop_are_shown_once(view: TextRenderer) -> None:
    assert texts(view, typing(True), typing(True), typing(False), typing(False)) == [
        "Grace is typing…",
        "Grace stopped typing",
    ]


def test_a_message_ends_its_senders_typing(view: TextRenderer) -> None:
    assert texts(view, typing(True), received(3), typing(False)) == [
        "Grace is typing…",
        "03:04  Grace (customer): text 3",
    ]


def test_an_own_message_shows_when_it_is_stored_and_read(view: TextRenderer) -> None:
    assert [line.text for line in view.stored("hi", 3, MOMENT, was_shown=False)] == ["03:04  you: hi ✓ stored"]
    assert texts(view, read(3), read(3)) == ["✓ read by Grace"]


def test_a_read_mark_that_overtakes_the_ack_is_shown_after_it(view: TextRenderer) -> None:
    assert texts(view, read(2)) == ["✓ read by Grace"]
    assert texts(view, read(3)) == []
    lines = view.stored("hi", 3, MOMENT, was_shown=False)
    assert [line.text.strip() for line in lines] == ["03:04  you: hi ✓ stored", "✓ read by Grace"]


def test_own_read_marks_show_nothing(view: TextRenderer) -> None:
    assert texts(view, read(2, ADA)) == []


def test_queued_message_is_shown_as_queued_then_stored(view: TextRenderer) -> None:
    assert [line.text.strip() for line in view.queued("later\nmore")] == ["… queued: later more"]
    assert [line.text.strip() for line in view.stored("later\nmore", 3, MOMENT, was_shown=True)] == [
        "✓ stored: later more"
    ]
    assert [line.text.strip() for line in view.failed("bad", "no\x1b way")] == ["! not sent: bad (no way)"]


def test_presence_shows_changes_by_name(view: TextRenderer) -> None:
    events = [presence("c1", "online"), presence("c1", "online"), presence("c1", "away"), presence("c1", "offline")]
    assert texts(view, *events) == ["Grace is online", "Grace is away", "Grace is offline"]
    assert texts(view, presence(ADA.user_id, "busy"), presence("x", "offline")) == []
    assert texts(view, presence("x", "online")) == ["an agent is online"]


def test_presence_of_customers_of_other_conversations_is_not_shown(view: TextRenderer) -> None:
    inbox = InboxAck(conversations=[conversation(name="other")], presence=[])
    assert texts(view, inbox, presence("c-other", "online"), presence("c-other", "offline")) == []
    assert [line.text.strip() for line in view.presence()] == ["no other user is here"]


def test_every_status_has_its_line(view: TextRenderer) -> None:
    for version, status in enumerate(get_args(ConversationStatus), 2):
        update = ConversationUpdated(conversation=conversation(status=status, version=version))
        assert len(texts(view, update)) == 1
        assert texts(view, update) == []


def test_own_user_is_shown_as_you(view: TextRenderer) -> None:
    update = ConversationUpdated(conversation=conversation(status="assigned", version=2))
    assert texts(view, update) == ["you have claimed the conversation"]


def test_lost_connection_shows_some_attempts_and_the_count_of_missed_messages(view: TextRenderer) -> None:
    changes = [ConnectionChange("reconnecting", "transport close", attempt, 1.0) for attempt in range(1, 12)]
    assert texts(view, *changes) == [
        "connection lost (transport close), trying again (attempt 1)",
        "connection lost, trying again (attempt 2)",
        "connection lost, trying again (attempt 3)",
        "connection lost, trying again (attempt 5)",
        "connection lost, trying again (attempt 10)",
    ]
    missed = [received(3, caught_up=True), received(4, caught_up=True)]
    assert texts(view, joined(4, again=True), *missed)[-1] == "reconnected, 2 messages caught up"


def test_reconnect_without_missed_messages_is_shown(view: TextRenderer) -> None:
    assert texts(view, joined(2, again=True)) == ["reconnected, nothing was missed"]


def test_reload_after_a_database_change_is_shown(view: TextRenderer) -> None:
    reloaded = ConversationReloaded("c", (message(1, content="restored"),), has_more_before=False)
    assert texts(view, joined(1, again=True, recovered=False), reloaded) == [
        "reconnected; the conversation was reloaded",
        "03:04  Grace (customer): restored",
    ]
    assert texts(view, received(2)) == ["03:04  Grace (customer): text 2"]


def test_older_messages_have_a_heading_and_an_end(view: TextRenderer) -> None:
    assert [line.text.strip() for line in view.older([])] == ["there are no older messages"]
    view.open(conversation(head=9), [message(9)])
    shown = [line.text.strip() for line in view.older([message(7), message(8)])]
    assert shown == [
        "older messages:",
        "03:04  Grace (customer): text 7",
        "03:04  Grace (customer): text 8",
        "end of the older messages",
    ]
    assert view.first_seq == 7


def test_server_drain_and_errors_are_shown(view: TextRenderer) -> None:
    assert texts(view, ServerDraining(retry_after_ms=1)) == ["the server is restarting"]
    assert texts(view, Failed(message="no\x1b", code=ErrorCode.INTERNAL)) == ["error from the server: no"]


def test_bot_notices_are_shown_in_their_conversation(view: TextRenderer) -> None:
    view.open(conversation(), [])
    failed = BotNotice(conversation_id="c", kind="failed", timestamp=MOMENT, reason="timeout")
    assert texts(view, failed) == ["the bot had no answer: timeout"]
    left = BotNotice(conversation_id="c", kind="handed_off", timestamp=MOMENT, reason="a\x1b refund")
    assert texts(view, left) == ["handed off to an agent: a refund"]
    assert texts(view, msgspec.structs.replace(left, reason=msgspec.UNSET)) == ["handed off to an agent"]
    assert texts(view, msgspec.structs.replace(left, conversation_id="other")) == []
