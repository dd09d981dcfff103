"""Scripts of recorded rooms: who does what, when, and after which messages."""

from __future__ import annotations

import pytest

from chatws_loadtest.chatlog.analysis import analyse
from chatws_loadtest.chatlog.event_names import ChatEventNames
from chatws_loadtest.chatlog.reader import Chatlog
from chatws_loadtest.chatlog.records import (
    VERSION,
    AckRecord,
    ChatlogHeader,
    CloseRecord,
    IdentityRecord,
    InRecord,
    OpenRecord,
    OutRecord,
    Record,
)
from chatws_loadtest.replay.recorded_scripts import make_scripts
from chatws_loadtest.replay.replay_load import ReplayLoad
from chatws_loadtest.replay.room_script import ReplayStep, RoomScript

HEADER = ChatlogHeader(
    version=VERSION, created_at="2026-01-01T00:00:00Z", source="tap", url="http://chat.example", with_content=False
)


def connection(c: int, user: str, role: str, t: float = 0.0, room: str = "r1") -> list[Record]:
    return [
        OpenRecord(t=t, c=c),
        IdentityRecord(t=t, c=c, user=user, role=role),
        OutRecord(t=t, c=c, event="join_conversation", ack=0, room=room),
    ]


def message(t: float, c: int, number: int, *receivers: tuple[int, float], chars: int = 20) -> list[Record]:
    return [
        OutRecord(t=t, c=c, event="send_message", ack=number, room="r1", key=f"k{number}", chars=chars),
        AckRecord(t=t + 0.01, c=c, ack=number, ok=True, message=f"m{number}"),
        *(
            InRecord(t=at_s, c=receiver, event="message_received", room="r1", message=f"m{number}")
            for receiver, at_s in receivers
        ),
    ]


def scripts(*parts: list[Record], speed: float = 1.0) -> list[RoomScript]:
    records = sorted((record for part in parts for record in part), key=lambda record: record.t)
    log, names = Chatlog(HEADER, records), ChatEventNames()
    return make_scripts(log, analyse(log, names), names, speed)


PAIR = [*connection(1, "u1", "admin"), *connection(2, "u2", "customer")]


def test_customer_is_the_first_member_and_times_begin_with_the_first_action() -> None:
    [room] = scripts(PAIR, message(5.0, 1, 1), message(7.0, 2, 2), speed=2.0)
    assert room.members == [
        [ReplayStep(at_s=1.0, action="send", message=1, chars=20)],
        [ReplayStep(at_s=0.0, action="send", message=0, chars=20)],
    ]


def test_reply_follows_what_its_sender_had_received_since_its_last_message() -> None:
    [room] = scripts(
        PAIR,
        message(1.0, 1, 1, (2, 1.1)),
        message(2.0, 2, 2, (1, 2.1)),
        message(3.0, 1, 3, (2, 3.1)),
        message(4.0, 1, 4, (2, 9.0)),
        message(5.0, 2, 5),
    )
    customer, agent = room.members
    assert [(step.message, step.after) for step in customer] == [(1, (0,)), (4, (2,))]
    assert [(step.message, step.after) for step in agent] == [(0, ()), (2, (1,)), (3, ())]


def test_cut_typing_read_and_departure_are_steps() -> None:
    typing: list[Record] = [
        OutRecord(t=1.0, c=2, event="typing_start", ack=1, room="r1"),
        OutRecord(t=1.5, c=2, event="typing_stop", ack=2, room="r1"),
        OutRecord(t=1.6, c=2, event="mark_read", ack=3, room="r1", seq=1),
        CloseRecord(t=2.0, c=2, by="client", reason="cut"),
    ]
    left: list[Record] = [CloseRecord(t=4.0, c=3, by="client")]
    [room] = scripts(PAIR, typing, connection(3, "u2", "customer", 3.0), left, message(9.0, 1, 1))
    assert [(step.action, step.at_s, step.offline_s) for step in room.members[0]] == [
        ("type", 0.0, 0.0),
        ("stop typing", 0.5, 0.0),
        ("read", pytest.approx(0.6), 0.0),
        ("cut", 1.0, 1.0),
        ("leave", 3.0, 0.0),
    ]


def test_first_join_after_messages_is_a_step_that_follows_them() -> None:
    history: list[Record] = [OutRecord(t=3.2, c=3, event="history", ack=1, room="r1")]
    [room] = scripts(
        PAIR,
        message(1.0, 1, 1, (2, 1.1)),
        message(2.0, 2, 2, (1, 2.1)),
        connection(3, "u3", "admin", 3.0),
        history,
        message(4.0, 1, 3, (2, 4.1), (3, 4.1)),
        message(5.0, 3, 4),
    )
    assert room.late_members == {2}
    assert room.members[2] == [
        ReplayStep(at_s=2.0, action="join", earlier=2),
        ReplayStep(at_s=2.2, action="history"),
        ReplayStep(at_s=4.0, action="send", message=3, chars=20, after=(2,)),
    ]


def test_join_before_the_first_message_and_a_second_join_are_no_steps() -> None:
    cut: list[Record] = [CloseRecord(t=2.0, c=2, by="client", reason="cut")]
    [room] = scripts(PAIR, message(1.0, 1, 1), cut, connection(3, "u2", "customer", 3.0), message(4.0, 1, 2))
    assert room.late_members == set()
    assert [step.action for step in room.members[0]] == ["cut"]


def test_repeated_message_is_sent_once_and_a_refused_one_never() -> None:
    refused: list[Record] = [
        OutRecord(t=3.0, c=1, event="send_message", ack=7, room="r1", key="k7"),
        AckRecord(t=3.1, c=1, ack=7, ok=False, error="rate_limited"),
    ]
    again: list[Record] = [OutRecord(t=2.0, c=1, event="send_message", ack=8, room="r1", key="k1")]
    [room] = scripts(PAIR, message(1.0, 1, 1), again, refused)
    assert [step.message for member in room.members for step in member] == [0]


def test_rooms_without_actions_and_people_without_actions() -> None:
    [room] = scripts(PAIR, connection(4, "u4", "customer", room="r2"), message(1.0, 1, 1))
    assert [len(member) for member in room.members] == [0, 1]


def test_copies_have_rooms_of_their_own_and_are_divided_among_processes() -> None:
    first, second = RoomScript([[], []]), RoomScript([[], [], []])
    load = ReplayLoad("x.chatlog", [first, second], times=2, reply_timeout_s=1.0)
    assert load.room_sizes == [2, 3, 2, 3]
    assert [load.plan_of(index, 3).rooms for index in range(3)] == [[0, 1], [1], [0]]
