from __future__ import annotations

import msgspec

from chatws.client import ConnectionChange, ConversationReloaded
from chatws.protocol.entities import Presence, ReadMark
from chatws.protocol.errors import ErrorCode
from chatws.protocol.events import BotNotice, ConversationUpdated, Failed, MessageRead, TypingIndicator
from chatws.protocol.responses import InboxAck
from chatws_cli.presentation.thread import MAX_ITEMS
from chatws_cli.presentation.timeline_items import DateItem, MessageItem, NoticeItem, UnreadMarker
from chatws_cli.screen.state import ScreenState
from chatws_cli.screen.status_bar import status_line, typing_line
from tools.screenshots.sample_events import (
    ADA,
    BOB,
    GRACE,
    NOON,
    at,
    conversation,
    joined,
    message,
    received,
    screen_of,
)


def shown(screen: ScreenState) -> list[str]:
    """Return short descriptions of the blocks of the open conversation."""
    assert screen.current is not None
    words = []
    for block in screen.current.blocks():
        match block:
            case DateItem():
                words.append("day")
            case UnreadMarker():
                words.append("new")
            case NoticeItem():
                words.append(f"-- {block.text}")
            case MessageItem():
                words.append(f"{screen.current.state_of(block) or ''} {block.label}: {block.text}".strip())
    return words


def test_messages_are_ordered_by_seq_without_duplicates() -> None:
    screen = screen_of(ADA, conversation())
    for seq in (3, 1, 2, 2):
        screen.apply(received(seq, f"m{seq}"), 0.0)
    screen.load("c1", [message(1, "m1"), message(2, "m2")], has_more_before=True)
    assert shown(screen) == ["day", *(f"Grace (customer): m{n}" for n in (1, 2, 3))]


def test_a_date_line_precedes_the_first_message_of_each_day() -> None:
    screen = screen_of(ADA, conversation())
    screen.load("c1", [message(1), message(24 * 60)], has_more_before=False)
    assert shown(screen) == ["day", "Grace (customer): text", "day", "Grace (customer): text"]


def test_an_own_message_goes_from_queued_to_sent_to_stored_to_read() -> None:
    screen = screen_of(ADA, conversation())
    screen.post("c1", "hello", "id-1", NOON)
    assert shown(screen)[-1] == "queued you: hello"
    screen.threads["c1"].set_state("id-1", "sent")
    assert (shown(screen)[-1], screen.queued) == ("sent you: hello", 1)
    screen.set_stored("c1", "hello", "id-1", 1, at(1))
    assert (shown(screen)[-1], screen.queued) == ("stored you: hello", 0)
    screen.apply(MessageRead(conversation_id="c1", user_id="ada", seq=1, timestamp=at(2)), 0.0)
    assert shown(screen)[-1] == "stored you: hello", "the own read mark does not count as read by others"
    screen.apply(MessageRead(conversation_id="c1", user_id="grace", seq=1, timestamp=at(2)), 0.0)
    assert shown(screen)[-1] == "read you: hello"


def test_an_own_message_is_shown_once_whether_event_or_ack_comes_first() -> None:
    screen = screen_of(ADA, conversation())
    screen.post("c1", "one", "id-1", NOON)
    screen.apply(received(1, "one", ADA, own_id="id-1"), 0.0)
    screen.set_stored("c1", "one", "id-1", 1, at(1))
    screen.post("c1", "two", "id-2", NOON)
    screen.set_stored("c1", "two", "id-2", 2, at(2))
    screen.apply(received(2, "two", ADA, own_id="id-2"), 0.0)
    assert shown(screen) == ["day", "stored you: one", "stored you: two"]


def test_pending_messages_come_last_and_a_refusal_shows_its_reason() -> None:
    screen = screen_of(ADA, conversation())
    screen.post("c1", "no", "id-1", NOON)
    screen.apply(received(1, "in between"), 0.0)
    screen.set_failed("c1", "id-1", "Too\x1b[2J rude.")
    assert shown(screen)[1:] == ["Grace (customer): in between", "-- not sent: Too[2J rude.", "failed you: no"]
    assert [entry.text for entry in screen.threads["c1"].take_failed()] == ["no"]
    assert "failed you: no" not in shown(screen)


def test_messages_received_without_focus_are_marked_unread_and_ring_the_bell() -> None:
    screen = screen_of(ADA, conversation())
    screen.apply(received(1, "seen"), 0.0)
    screen.set_newest_visible(is_newest_visible=False)
    screen.apply(received(2, "missed"), 0.0)
    screen.apply(received(3, "missed too"), 0.0)
    assert (screen.threads["c1"].unread, screen.bell_count) == (2, 2)
    screen.set_newest_visible(is_newest_visible=True)
    assert screen.threads["c1"].unread == 0
    assert shown(screen)[2] == "new", "the marker stays while the new messages are read"
    screen.post("c1", "an answer", "id-1", NOON)
    assert "new" not in shown(screen)


def test_unread_of_another_conversation_counts_from_the_own_read_mark() -> None:
    screen = screen_of(ADA, conversation())
    other = conversation("c2", newest=message(5, conversation_id="c2"))
    screen.apply(joined(other, ReadMark(user_id="ada", seq=3)), 0.0)
    assert screen.unread == 2
    screen.apply(received(6, "more", conversation_id="c2"), 0.0)
    assert screen.unread == 3
    screen.open("c2")
    screen.load("c2", [message(seq, f"m{seq}", conversation_id="c2") for seq in range(1, 7)], has_more_before=False)
    assert shown(screen).index("new") == 4, "after the date and three read messages"
    assert screen.unread == 0


def test_typing_ends_by_message_stop_or_disconnect() -> None:
    screen = screen_of(ADA, conversation())
    start = TypingIndicator(conversation_id="c1", user_id="grace", user_name="Gra\x07ce", is_typing=True)
    screen.apply(start, 0.0)
    assert typing_line(screen, 0, 80) == "Grace is typing…"
    screen.apply(received(1), 0.0)
    assert typing_line(screen, 0, 80) == ""
    screen.apply(start, 0.0)
    screen.apply(ConnectionChange("reconnecting", "gone", 1, 2.0), 0.0)
    assert typing_line(screen, 0, 80) == ""
    screen.apply(start, 0.0)
    screen.apply(TypingIndicator(conversation_id="c1", user_id="grace", user_name="Grace", is_typing=False), 0.0)
    assert typing_line(screen, 2, 80) == "▼ 2 new below (Ctrl+End)"


def test_status_line_shows_connection_and_queue_and_omits_parts_that_do_not_fit() -> None:
    screen = screen_of(ADA, conversation())
    screen.apply(ConnectionChange("connected", "connected"), 0.0)
    screen.connection.latency_s = 0.0123
    assert status_line(screen, 0.0, 100) == "● connected 12 ms │ Grace, queued │ Ada"
    screen.apply(ConnectionChange("reconnecting", "gone", 2, 2.5), 10.0)
    screen.post("c1", "x", "id-1", NOON)
    assert status_line(screen, 10.1, 100).startswith("○ reconnecting in 3 s (try 2) │ 1 queued │ Grace")
    assert status_line(screen, 20.0, 100).startswith("○ reconnecting now (try 2)")
    assert status_line(screen, 10.1, 40) == "○ reconnecting in 3 s (try 2) │ 1 queued"


def test_disconnect_and_reconnect_are_shown_once_each() -> None:
    screen = screen_of(ADA, conversation())
    screen.apply(ConnectionChange("connected", "connected"), 0.0)
    for attempt in (1, 2, 3):
        screen.apply(ConnectionChange("reconnecting", "transport\x1b close", attempt, 1.0), 0.0)
    screen.apply(ConnectionChange("connected", "connected"), 0.0)
    assert shown(screen) == [
        "-- connection lost (transport close); what you write now is kept and sent later",
        "-- reconnected; nothing was lost",
    ]


def test_status_and_presence_of_members_are_shown_and_old_versions_are_ignored() -> None:
    screen = screen_of(ADA, conversation())
    taken = conversation(status="assigned", version=2, assignee=BOB)
    screen.apply(ConversationUpdated(conversation=taken), 0.0)
    screen.apply(ConversationUpdated(conversation=conversation()), 0.0)
    screen.apply(ConversationUpdated(conversation=conversation(status="assigned", version=3, assignee=ADA)), 0.0)
    screen.apply(Presence(user_id="grace", status="online", timestamp=at(0)), 0.0)
    screen.apply(Presence(user_id="grace", status="online", timestamp=at(0)), 0.0)
    screen.apply(Presence(user_id="unknown", status="away", timestamp=at(0)), 0.0)
    assert shown(screen) == [
        "-- Bob has claimed the conversation",
        "-- you have claimed the conversation",
        "-- Grace is online",
    ]


def test_customer_is_informed_of_claim_and_resolve() -> None:
    screen = screen_of(GRACE, conversation())
    screen.apply(ConversationUpdated(conversation=conversation(status="assigned", version=2, assignee=ADA)), 0.0)
    screen.apply(ConversationUpdated(conversation=conversation(status="resolved", version=3)), 0.0)
    assert shown(screen) == [
        "-- Ada has joined the conversation",
        "-- the conversation was resolved; write to reopen it",
    ]


def test_reload_replaces_stored_messages_and_keeps_pending_ones() -> None:
    screen = screen_of(ADA, conversation())
    screen.apply(received(7, "of the old database"), 0.0)
    screen.post("c1", "waits", "id-1", NOON)
    screen.apply(ConversationReloaded("c1", (message(1, "of the new"),), has_more_before=True), 0.0)
    assert shown(screen)[1] == "Grace (customer): of the new"
    assert shown(screen)[-1] == "queued you: waits"
    assert screen.threads["c1"].can_load_older


def test_server_errors_and_bot_notices_are_shown_in_the_open_conversation() -> None:
    screen = screen_of(ADA)
    screen.apply(Failed(message="no\x1b", code=ErrorCode.INTERNAL), 0.0)
    assert typing_line(screen, 0, 80) == "error from the server: no"
    screen = screen_of(ADA, conversation())
    screen.apply(BotNotice(conversation_id="c1", kind="handed_off", timestamp=at(1), reason="asked"), 0.0)
    screen.apply(BotNotice(conversation_id="c1", kind="failed", timestamp=at(1)), 0.0)
    assert shown(screen) == ["-- handed off to an agent: asked", "-- the bot had no answer"]


def test_thread_is_bounded_and_reports_older_messages() -> None:
    screen = screen_of(ADA, conversation())
    for seq in range(1, MAX_ITEMS + 11):
        screen.apply(received(seq), 0.0)
    thread = screen.threads["c1"]
    assert (len(thread.messages()), thread.first_seq, thread.has_more_before) == (MAX_ITEMS, 11, True)


def test_inbox_adds_presence_and_conversations_without_threads() -> None:
    screen = screen_of(ADA)
    online = Presence(user_id="grace", status="online", timestamp=at(0))
    screen.apply(InboxAck(conversations=[conversation(newest=message(3))], presence=[online]), 0.0)
    (row,) = screen.listed.rows("ada", screen.threads, screen.users, None, NOON)
    assert (row.title, row.details, row.unread) == ("● Grace", "queued 0s  text", 0)
    screen.apply(received(4), 0.0)
    assert screen.threads == {}


def test_conversations_of_one_customer_are_told_apart_by_their_start() -> None:
    screen = screen_of(ADA)
    grace = [conversation(str(day), newest=message(3)) for day in range(2)]
    earlier = msgspec.structs.replace(grace[1], created_at="2026-10-07T08:15:00.000Z")
    today = msgspec.structs.replace(grace[0], created_at=NOON.isoformat())
    other = msgspec.structs.replace(conversation("2", newest=message(3)), customer=ADA)
    unwritten = msgspec.structs.replace(conversation("3"), head_seq=0)
    screen.apply(InboxAck(conversations=[today, earlier, other, unwritten], presence=[]), 0.0)
    rows = screen.listed.rows("ada", screen.threads, screen.users, None, NOON)
    assert {row.conversation_id: row.started for row in rows} == {"0": f"{NOON:%H:%M}", "1": "07 Oct", "2": ""}


def test_role_is_not_repeated_after_a_name_that_states_it() -> None:
    users = ScreenState("admin").users
    for name, label in (("Customer 6567", "Customer 6567"), ("Agent Smith", "Agent Smith (customer)"), ("Grace", None)):
        user = msgspec.structs.replace(GRACE, user_name=name)
        assert users.label(user) == (label or "Grace (customer)")


def test_own_messages_are_labelled_by_the_authenticated_user() -> None:
    screen = screen_of(GRACE, conversation(assignee=ADA, status="assigned"))
    screen.apply(received(1, "hi", ADA), 0.0)
    screen.apply(received(2, "hello", GRACE), 0.0)
    assert shown(screen)[1:] == ["Ada (agent): hi", "stored you: hello"]
    assert "claimed by Ada" in status_line(screen, 0.0, 80)
