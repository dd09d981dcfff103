"""Explanation of messages from the records: each reason for a late, missing or repeated copy."""

from __future__ import annotations

from chatws_loadtest.chatlog.analysis import ChatlogAnalysis, analyse
from chatws_loadtest.chatlog.event_names import ChatEventNames
from chatws_loadtest.chatlog.explanation import explain
from chatws_loadtest.chatlog.reader import Chatlog
from chatws_loadtest.chatlog.records import (
    VERSION,
    AckRecord,
    ChatlogHeader,
    CloseRecord,
    FlagRecord,
    IdentityRecord,
    InRecord,
    OpenRecord,
    OutRecord,
    Record,
)

HEADER = ChatlogHeader(
    version=VERSION, created_at="2026-01-01T00:00:00Z", source="tap", url="http://chat.example", with_content=False
)


def connect(c: int, t: float, user: str) -> list[Record]:
    return [
        OpenRecord(t=t, c=c),
        IdentityRecord(t=t, c=c, user=user, role="customer"),
        OutRecord(t=t, c=c, event="join_conversation", ack=0, room="r1"),
    ]


def send(t: float, *, number: int = 1, ack_after: float | None = 0.01) -> list[Record]:
    """Let u1 send a message on connection 1, and receive its ack."""
    sent = OutRecord(t=t, c=1, event="send_message", ack=number, room="r1", key=f"k{number}")
    if ack_after is None:
        return [sent]
    return [sent, AckRecord(t=t + ack_after, c=1, ack=number, ok=True, message=f"m{number}", seq=number)]


def deliver(c: int, t: float, number: int = 1) -> Record:
    return InRecord(t=t, c=c, event="message_received", room="r1", message=f"m{number}", key=f"k{number}", seq=number)


def analysis(*parts: Record | list[Record]) -> ChatlogAnalysis:
    records = [record for part in parts for record in (part if isinstance(part, list) else [part])]
    return analyse(Chatlog(HEADER, sorted(records, key=lambda record: record.t)))


def explanation(*parts: Record | list[Record], name: str = "m1") -> list[str]:
    found = analysis(connect(1, 0.0, "u1"), *parts)
    message = found.find_message(name)
    assert message is not None, [row.name for row in found.messages]
    return explain(found, message)


def test_live_delivery_names_the_times_of_send_ack_and_copies() -> None:
    assert explanation(connect(2, 0.0, "u2"), send(5.0), deliver(1, 5.011), deliver(2, 5.012)) == [
        "m1 in r1, seq 1: u1 sent it at 5.000 s; the server acked it at 5.010 s, 10 ms later",
        "u1 received it live at 5.011 s, 11 ms after it was sent",
        "u2 received it live at 5.012 s, 12 ms after it was sent",
    ]


def test_person_who_was_disconnected_received_it_with_the_catch_up() -> None:
    back: list[Record] = [*connect(3, 14.0, "u2"), AckRecord(t=14.2, c=3, ack=0, ok=True, messages=("m1",))]
    lines = explanation(connect(2, 0.0, "u2"), CloseRecord(t=12.1, c=2, by="client"), send(13.0), back)
    assert lines[-1] == ("u2 was disconnected from 12.100 s to 14.000 s and received it with the catch-up at 14.200 s")


def test_message_that_a_connected_person_never_received_was_lost() -> None:
    lines = explanation(connect(2, 0.0, "u2"), send(5.0), send(6.0, number=2), deliver(2, 6.01, 2))
    assert lines[-1] == (
        "u2 never received it: it was connected and received m2 at 6.010 s, so this one was lost on the way"
    )


def test_person_who_had_left_need_not_receive_it() -> None:
    lines = explanation(connect(2, 0.0, "u2"), CloseRecord(t=4.0, c=2, by="client"), send(5.0))
    assert lines[-1] == "u2 never received it: had disconnected at 4.000 s"


def test_connection_to_another_room_does_not_count() -> None:
    other: list[Record] = [
        OpenRecord(t=0.0, c=9),
        IdentityRecord(t=0.0, c=9, user="u2"),
        OutRecord(t=0.0, c=9, event="join_conversation", room="r2"),
    ]
    lines = explanation(other, connect(2, 0.0, "u2"), CloseRecord(t=4.0, c=2, by="client"), send(5.0))
    assert lines[-1] == "u2 never received it: had disconnected at 4.000 s"


def test_second_copy_is_named() -> None:
    lines = explanation(connect(2, 0.0, "u2"), send(5.0), deliver(2, 5.02), deliver(2, 5.03))
    assert lines[-1].endswith("20 ms after it was sent; it received another copy at 5.030 s")


def test_late_copy_names_the_side_of_the_delay() -> None:
    lines = explanation(connect(2, 0.0, "u2"), send(5.0), deliver(2, 6.5))
    assert lines[-1].endswith(
        "1.50 s after it was sent; late: most of that passed after the server had stored it (5.010 s)"
    )


def test_lost_ack_and_repeat_are_named() -> None:
    lines = explanation(
        send(5.0, ack_after=None), CloseRecord(t=5.5, c=1, by="server"), connect(3, 6.0, "u1"), deliver(3, 6.1)
    )
    assert lines[0] == (
        "m1 in r1, seq 1: u1 sent it at 5.000 s; no ack arrived before the connection was closed by the server at"
        " 5.500 s"
    )


def test_flag_of_the_tool_is_quoted() -> None:
    flag = FlagRecord(t=5.1, flag="hole", message="m1", detail="seq 1 follows 5")
    lines = explanation(send(5.0), flag)
    assert lines[-1] == "noted by the tool that recorded: hole: seq 1 follows 5"


def test_refusal_is_named() -> None:
    out = OutRecord(t=5.0, c=1, event="send_message", ack=1, room="r1", key="k1")
    lines = explanation(out, AckRecord(t=5.1, c=1, ack=1, ok=False, error="rate_limited"), name="k1")
    assert lines[0].endswith("the server refused it at 5.100 s: rate_limited")


def test_other_event_names_are_given_by_a_mapping() -> None:
    records: list[Record] = [
        OpenRecord(t=0.0, c=1, user="u1"),
        OutRecord(t=1.0, c=1, event="chat message", ack=1, room="r1"),
        AckRecord(t=1.1, c=1, ack=1, ok=True, message="m1"),
        InRecord(t=1.2, c=1, event="chat message", room="r1", message="m1"),
    ]
    names = ChatEventNames(send="chat message", received="chat message", join="room:enter")
    [message] = analyse(Chatlog(HEADER, records), names).messages
    assert (message.name, message.sender, len(message.deliveries)) == ("m1", "u1", 1)
