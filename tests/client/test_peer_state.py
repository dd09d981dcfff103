from __future__ import annotations

from chatws.client.core.peer_state import USERS_KEPT, PeerState
from chatws.protocol.entities import Presence
from chatws.protocol.events import MessageRead

NOW = "2025-10-28T09:30:00.000Z"


def online(user_id: str) -> Presence:
    return Presence(user_id=user_id, status="online", timestamp=NOW)


def test_remembered_presences_are_bounded() -> None:
    peers = PeerState()
    for number in range(USERS_KEPT):
        assert peers.update_presence(online(f"u{number}"))
    assert not peers.update_presence(online("u0"))
    assert peers.update_presence(online("one too many"))
    assert not peers.update_presence(online("u0"))
    assert peers.update_presence(online("u1"))


def test_presence_that_no_reply_confirms_after_a_disconnect_is_shown_as_offline() -> None:
    peers = PeerState()
    for user_id in ("stays", "goes"):
        peers.update_presence(online(user_id))
    peers.disconnect()
    assert peers.replace_presence([online("stays")]) == []
    assert peers.has_unconfirmed
    gone = Presence(user_id="goes", status="offline", timestamp=NOW)
    assert [change.payload for change in peers.drop_unconfirmed()] == [gone]
    assert not peers.has_unconfirmed


def test_read_marks_of_a_left_conversation_are_forgotten() -> None:
    peers = PeerState()
    marks = [MessageRead(conversation_id=name, user_id="u", seq=3, timestamp=NOW) for name in ("left", "kept")]
    assert all(peers.update_read_mark(mark) for mark in marks)
    peers.leave("left")
    assert [bool(peers.update_read_mark(mark)) for mark in marks] == [True, False]
