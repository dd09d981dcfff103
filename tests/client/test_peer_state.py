from __future__ import annotations

from chatws.client.core.peer_state import PEOPLE_KEPT, PeerState
from chatws.protocol.entities import Presence
from chatws.protocol.events import MessageRead

NOW = "2025-10-28T09:30:00.000Z"


def online(user_id: str) -> Presence:
    return Presence(user_id=user_id, status="online", timestamp=NOW)


def test_presence_of_any_number_of_people_takes_bounded_memory() -> None:
    others = PeerState()
    for number in range(PEOPLE_KEPT):
        assert others.hear_presence(online(f"u{number}"))
    assert not others.hear_presence(online("u0"))
    assert others.hear_presence(online("one too many"))
    assert not others.hear_presence(online("u0"))
    assert others.hear_presence(online("u1"))


def test_read_marks_of_a_room_that_was_left_are_forgotten() -> None:
    others = PeerState()
    marks = [MessageRead(conversation_id=name, user_id="u", seq=3, timestamp=NOW) for name in ("left", "kept")]
    assert all(others.hear_read(mark) for mark in marks)
    others.forget("left")
    assert [bool(others.hear_read(mark)) for mark in marks] == [True, False]
