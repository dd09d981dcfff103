"""Checkers of typing, presence and read marks, fed with what one room's members send and receive."""

from __future__ import annotations

import pytest

from chatws_loadtest.checkers.presence_checker import MAX_REMEMBERED, PresenceChecker
from chatws_loadtest.checkers.read_checker import ReadChecker
from chatws_loadtest.checkers.typing_checker import TypingChecker
from chatws_loadtest.deviations import DeviationLog
from chatws_loadtest.indicators import IndicatorCounts, add_indicators
from chatws_loadtest.load_state import RoomState

CUSTOMER, AGENT = 0, 1
TO_AGENT = 1 << AGENT
END_S = 4.0
"""Time within which typing must end: 3 s and a margin."""

LATE_S = 100.0


@pytest.fixture
def log() -> DeviationLog:
    return DeviationLog()


@pytest.fixture
def typing(log: DeviationLog) -> TypingChecker:
    return TypingChecker(log)


def start(typing: TypingChecker, at_s: float) -> None:
    typing.start(CUSTOMER, "c", TO_AGENT, at_s, at_s)


def test_seen_typing_is_counted_with_the_time_of_its_start(typing: TypingChecker, log: DeviationLog) -> None:
    start(typing, 1.0)
    assert not typing.is_settled(1.1)
    assert typing.saw_start(AGENT, "c", 1.2) == 1.0
    assert typing.is_settled(1.2)
    assert typing.finish(LATE_S) == IndicatorCounts(sent=1)
    assert not log.found()


def test_typing_that_the_peer_never_saw_is_lost_and_later_typing_is_not_confused(typing: TypingChecker) -> None:
    start(typing, 1.0)
    start(typing, 2.0)
    assert typing.saw_start(AGENT, "c", 2.1) == 2.0
    assert typing.finish(LATE_S) == IndicatorCounts(sent=2, lost=1)


def test_typing_just_before_the_end_is_not_judged(typing: TypingChecker) -> None:
    start(typing, 1.0)
    assert typing.finish(1.5) == IndicatorCounts()


def test_typing_over_a_disconnect_is_not_judged(typing: TypingChecker) -> None:
    start(typing, 1.0)
    typing.drop(AGENT)
    start(typing, 2.0)
    typing.drop(CUSTOMER)
    assert typing.finish(LATE_S) == IndicatorCounts()


def test_typing_that_no_peer_can_see_is_not_counted(typing: TypingChecker) -> None:
    typing.start(CUSTOMER, "c", 0, 1.0, 1.0)
    assert typing.finish(LATE_S) == IndicatorCounts()


def test_message_ends_typing_unless_the_user_stopped_before(typing: TypingChecker, log: DeviationLog) -> None:
    start(typing, 1.0)
    typing.saw_start(AGENT, "c", 1.0)
    typing.saw_message(AGENT, CUSTOMER, LATE_S)
    assert typing.is_settled(1.1)
    typing.finish(LATE_S)
    assert log.count("typing_stuck") == 0


@pytest.mark.parametrize("has_later_message", [True, False])
def test_stopped_typing_without_an_end_is_stuck_once(
    typing: TypingChecker, log: DeviationLog, has_later_message: bool
) -> None:
    start(typing, 1.0)
    typing.saw_start(AGENT, "c", 1.0)
    typing.expect_end(CUSTOMER, END_S)
    typing.saw_message(AGENT, CUSTOMER, 1.1)
    assert log.count("typing_stuck") == 0
    if has_later_message:
        typing.saw_message(AGENT, CUSTOMER, 5.1)
        assert log.count("typing_stuck") == 1
    else:
        assert not typing.is_settled(4.9)
        assert typing.is_settled(5.1)
    typing.finish(LATE_S)
    assert log.count("typing_stuck") == 1


def test_stopped_typing_that_ends_is_settled_at_once(typing: TypingChecker, log: DeviationLog) -> None:
    start(typing, 1.0)
    typing.expect_end(CUSTOMER, END_S)
    typing.saw_start(AGENT, "c", 1.1)
    typing.saw_end(AGENT, "c")
    assert typing.is_settled(1.2)
    typing.saw_message(AGENT, CUSTOMER, LATE_S)
    typing.finish(LATE_S)
    assert log.count("typing_stuck") == 0


def test_typing_again_replaces_the_expected_end(typing: TypingChecker, log: DeviationLog) -> None:
    start(typing, 1.0)
    typing.saw_start(AGENT, "c", 1.0)
    typing.expect_end(CUSTOMER, END_S)
    start(typing, 2.0)
    typing.saw_start(AGENT, "c", 2.0)
    typing.saw_message(AGENT, CUSTOMER, LATE_S)
    typing.finish(LATE_S)
    assert log.count("typing_stuck") == 0


@pytest.mark.parametrize(("viewer", "user_id"), [(AGENT, "a"), (AGENT, "stranger"), (CUSTOMER, "c")])
def test_indicator_of_another_or_the_own_user_is_wrong(
    typing: TypingChecker, log: DeviationLog, viewer: int, user_id: str
) -> None:
    start(typing, 1.0)
    typing.saw_start(viewer, user_id, 1.1)
    assert log.count("typing_wrong") == 1


def test_indicator_long_after_the_last_start_is_wrong_and_a_repeated_one_is_not(
    typing: TypingChecker, log: DeviationLog
) -> None:
    start(typing, 1.0)
    for at_s in (1.1, 1.2):
        typing.saw_start(AGENT, "c", at_s)
    assert log.count("typing_wrong") == 0
    typing.saw_start(AGENT, "c", 20.0)
    assert log.count("typing_wrong") == 1


def test_typing_of_a_bot_is_not_judged(typing: TypingChecker, log: DeviationLog) -> None:
    typing.saw_start(AGENT, "bot", 1.0)
    assert not log.found()


def test_arrival_is_seen_or_lost(log: DeviationLog) -> None:
    presence = PresenceChecker(log)
    presence.came_online("c", TO_AGENT, 1.0)
    presence.came_online("d", TO_AGENT, 1.0)
    assert presence.saw(AGENT, "c", "online") == 1.0
    assert presence.saw(AGENT, "c", "online") is None
    assert not presence.is_settled(1.5)
    assert presence.finish(LATE_S) == IndicatorCounts(sent=2, lost=1)


def test_arrival_that_a_peer_saw_just_before_the_user_was_authenticated_is_not_lost(log: DeviationLog) -> None:
    presence = PresenceChecker(log)
    presence.saw_early(AGENT, "c", 1.0)
    presence.saw_early(AGENT, "d", 1.0)
    presence.came_online("c", TO_AGENT, 1.1)
    assert presence.is_settled(1.2)
    presence.came_online("d", TO_AGENT, 10.0)
    assert presence.finish(LATE_S) == IndicatorCounts(sent=2, lost=1)


def test_user_outside_the_room_is_wrong_unless_it_proves_to_be_a_member(log: DeviationLog) -> None:
    room = RoomState(0, "room", 2, log)
    for user_id in ("c", "stranger"):
        room.presence.record_outsider(user_id)
    room.identities[CUSTOMER] = ("c", "customer")
    room.count_indicators(LATE_S)
    assert log.count("presence_wrong") == 1


def test_every_status_of_a_user_outside_the_room_counts_of_any_number_of_users(log: DeviationLog) -> None:
    presence = PresenceChecker(log)
    for number in range(2 * MAX_REMEMBERED):
        presence.record_outsider(f"stranger-{number}")
        presence.record_outsider("stranger-0")
    assert len(presence._outsiders) == MAX_REMEMBERED
    presence.finish(LATE_S)
    assert log.count("presence_wrong") == 4 * MAX_REMEMBERED


def test_arrival_without_a_peer_or_over_a_disconnect_is_not_judged(log: DeviationLog) -> None:
    presence = PresenceChecker(log)
    presence.came_online("c", 0, 1.0)
    presence.came_online("d", TO_AGENT, 1.0)
    presence.drop(CUSTOMER, "d")
    assert presence.finish(LATE_S) == IndicatorCounts()


@pytest.mark.parametrize("is_seen", [True, False])
def test_user_that_is_still_online_after_its_disconnect_is_stuck(log: DeviationLog, is_seen: bool) -> None:
    presence = PresenceChecker(log)
    presence.went_offline("c", TO_AGENT, 1.0)
    if is_seen:
        presence.saw(AGENT, "c", "offline")
    assert presence.is_offline_seen("c") is is_seen
    presence.end_absence("c")
    assert log.count("presence_stuck") == (not is_seen)


def test_read_mark_is_seen_lost_or_stuck(log: DeviationLog) -> None:
    reads = ReadChecker(log)
    for seq in (1, 2, 3):
        reads.mark("c", seq, TO_AGENT, float(seq))
    assert reads.saw(AGENT, "c", 2) == 2.0
    assert reads.saw(CUSTOMER, "c", 2) is None
    assert reads.finish(LATE_S) == IndicatorCounts(sent=3, lost=2)
    assert log.count("read_stuck") == 1


def test_cancelled_read_mark_is_not_judged_and_not_wrong(log: DeviationLog) -> None:
    reads = ReadChecker(log)
    reads.mark("c", 1, TO_AGENT, 1.0)
    reads.cancel("c", 1)
    reads.saw(AGENT, "c", 1)
    assert reads.finish(LATE_S) == IndicatorCounts()
    assert not log.found()


@pytest.mark.parametrize(("user_id", "seq"), [("c", 3), ("a", 1), ("c", 1)], ids=["unset", "other user", "backwards"])
def test_read_mark_that_was_not_set_or_goes_backwards_is_wrong(log: DeviationLog, user_id: str, seq: int) -> None:
    reads = ReadChecker(log)
    for marked in (1, 2):
        reads.mark("c", marked, TO_AGENT, 1.0)
        reads.saw(AGENT, "c", marked)
    reads.saw(AGENT, user_id, seq)
    assert log.count("read_wrong") == 1


def test_counts_of_processes_are_added_by_kind() -> None:
    total = add_indicators([{"typing": IndicatorCounts(sent=200, lost=200)}, {"typing": IndicatorCounts(sent=40)}])
    assert total["typing"].describe() == "40 of 240 indicators arrived"
    assert total["read"] == IndicatorCounts()


@pytest.mark.parametrize("is_disconnected", [False, True])
def test_offline_user_is_wrong_unless_it_detects_a_disconnect_later(log: DeviationLog, is_disconnected: bool) -> None:
    presence = PresenceChecker(log)
    presence.deny("c")
    if is_disconnected:
        presence.drop(CUSTOMER, "c")
    presence.finish(LATE_S)
    assert log.count("presence_wrong") == (not is_disconnected)
