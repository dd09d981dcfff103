from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatws_loadtest.deviations import Deviation
from chatws_loadtest.ledger import Balance, Ledger

CUSTOMER, AGENT = 0, 1
ROOM = 0


@pytest.fixture
def ledger() -> Ledger:
    return open_ledger()


def open_ledger() -> Ledger:
    """Return a ledger of two rooms with both members present."""
    ledger = Ledger()
    for room in (0, 1):
        ledger.open_room(room, 2)
        for member in (CUSTOMER, AGENT):
            ledger.enter(room, member, 0, 0.0)
    return ledger


def send(ledger: Ledger, *, seq: int, room: int = ROOM, at_s: float = 1.0) -> int:
    """Send a message of the customer that the server acks with ``seq``."""
    number = ledger.send(room, CUSTOMER, at_s, at_s)
    ledger.ack(number, seq, at_s)
    return number


def deliver(ledger: Ledger, number: int, seq: int, *members: int, room: int = ROOM, now_s: float = 1.0) -> None:
    for member in members or (CUSTOMER, AGENT):
        ledger.receive(room, member, sender=CUSTOMER, number=number, seq=seq, now_s=now_s)


def test_message_acked_and_delivered_to_both_is_clean(ledger: Ledger) -> None:
    deliver(ledger, send(ledger, seq=1), 1)
    assert ledger.is_settled
    assert ledger.balance() == Balance(sent=1, acked=1, delivered=1)
    assert ledger.balance().is_clean


def test_broadcast_before_the_ack_is_clean(ledger: Ledger) -> None:
    number = ledger.send(ROOM, CUSTOMER, 0.0, 0.0)
    deliver(ledger, number, 1)
    ledger.ack(number, 1, 0.5)
    assert ledger.balance() == Balance(sent=1, acked=1, delivered=1)


def test_acked_message_that_one_member_misses_is_lost(ledger: Ledger) -> None:
    deliver(ledger, send(ledger, seq=1), 1, CUSTOMER)
    assert not ledger.is_settled
    assert ledger.balance() == Balance(sent=1, acked=1, lost=1)


def test_message_missing_from_the_stream_and_fetched_is_a_gap(ledger: Ledger) -> None:
    first, second = send(ledger, seq=1), send(ledger, seq=2)
    deliver(ledger, first, 1, CUSTOMER)
    deliver(ledger, second, 2)
    ledger.catch_up(ROOM, AGENT, first, 1, 3.0)
    assert ledger.balance() == Balance(sent=2, acked=2, delivered=2, gaps=1)


def test_message_missed_while_disconnected_and_fetched_is_delivered(ledger: Ledger) -> None:
    ledger.drop(ROOM, AGENT)
    missed = send(ledger, seq=1)
    deliver(ledger, missed, 1, CUSTOMER)
    ledger.enter(ROOM, AGENT, 1, 2.0)
    ledger.catch_up(ROOM, AGENT, missed, 1, 2.0)
    assert ledger.balance() == Balance(sent=1, acked=1, delivered=1)


def test_live_copy_of_a_message_in_the_join_reply_is_no_duplicate(ledger: Ledger) -> None:
    ledger.drop(ROOM, AGENT)
    missed = send(ledger, seq=1)
    ledger.enter(ROOM, AGENT, 1, 2.0)
    ledger.catch_up(ROOM, AGENT, missed, 1, 2.0)
    deliver(ledger, missed, 1)
    assert ledger.balance() == Balance(sent=1, acked=1, delivered=1)


def test_seq_far_ahead_is_malformed_and_has_no_place_in_the_stream(ledger: Ledger) -> None:
    deliver(ledger, send(ledger, seq=1), 1)
    for seq in (2**53, 10**9, 20_000):
        deliver(ledger, send(ledger, seq=seq), seq, AGENT)
    deliver(ledger, send(ledger, seq=2), 2)
    balance = ledger.balance()
    assert (balance.malformed, balance.reordered, balance.gaps) == (3, 0, 0)
    [found] = ledger.found_deviations()
    assert found == Deviation("malformed", "messages with a seq far ahead of the one before", 3)


def test_holes_of_one_stream_are_bounded(ledger: Ledger) -> None:
    for seq in (9_000, 18_000):
        deliver(ledger, send(ledger, seq=seq), seq, AGENT)
    assert ledger.balance().malformed == 1


def test_live_message_before_an_older_join_reply_is_no_gap(ledger: Ledger) -> None:
    first, second = (ledger.send(ROOM, CUSTOMER, 0.0, 0.0) for _ in range(2))
    ledger.drop(ROOM, AGENT)
    ledger.receive(ROOM, AGENT, sender=CUSTOMER, number=first, seq=1, now_s=2.0)
    ledger.enter(ROOM, AGENT, 0, 2.0)
    ledger.receive(ROOM, AGENT, sender=CUSTOMER, number=second, seq=2, now_s=2.0)
    ledger.catch_up(ROOM, AGENT, first, 1, 3.0)
    assert ledger.balance().gaps == 0


def test_message_missing_before_the_join_reply_is_a_gap(ledger: Ledger) -> None:
    first, second = (ledger.send(ROOM, CUSTOMER, 0.0, 0.0) for _ in range(2))
    ledger.drop(ROOM, AGENT)
    ledger.receive(ROOM, AGENT, sender=CUSTOMER, number=second, seq=2, now_s=2.0)
    ledger.enter(ROOM, AGENT, 0, 2.0)
    ledger.catch_up(ROOM, AGENT, first, 1, 3.0)
    assert ledger.balance().gaps == 1


def test_second_join_continues_the_stream(ledger: Ledger) -> None:
    first, second = (ledger.send(ROOM, CUSTOMER, 0.0, 0.0) for _ in range(2))
    ledger.receive(ROOM, AGENT, sender=CUSTOMER, number=first, seq=1, now_s=2.0)
    ledger.enter(ROOM, AGENT, 0, 2.0)
    ledger.receive(ROOM, AGENT, sender=CUSTOMER, number=second, seq=2, now_s=2.0)
    ledger.catch_up(ROOM, AGENT, first, 1, 3.0)
    assert ledger.balance().gaps == 0


def test_message_without_any_answer_is_unanswered_and_not_lost(ledger: Ledger) -> None:
    ledger.send(ROOM, CUSTOMER, 0.0, 0.0)
    assert ledger.balance() == Balance(sent=1, unanswered=1)


def test_message_acked_only_after_it_was_sent_again_is_unanswered_unless_the_connection_ended(ledger: Ledger) -> None:
    overdue, cut = (ledger.send(ROOM, CUSTOMER, 0.0, 0.0) for _ in range(2))
    ledger.miss_ack(overdue)
    for number in (overdue, cut):
        ledger.send_again(number)
        ledger.ack(number, 0, 12.0)
        deliver(ledger, number, 0)
        deliver(ledger, number, 0)
    assert ledger.balance() == Balance(sent=2, acked=2, delivered=2, unanswered=1, repeated=1)


def test_refusals_are_counted_by_code(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.refuse(ledger.send(ROOM, AGENT, 0.0, 0.0), "rate_limited")
    assert ledger.balance() == Balance(sent=2, refused={"rate_limited": 2})
    assert not ledger.balance().is_clean


@pytest.mark.parametrize("is_numbered", [True, False])
def test_second_copy_to_one_member_is_duplicated(ledger: Ledger, is_numbered: bool) -> None:
    seq = 1 if is_numbered else 0
    number = send(ledger, seq=seq)
    deliver(ledger, number, seq)
    deliver(ledger, number, seq, AGENT)
    assert ledger.balance() == Balance(sent=1, acked=1, delivered=1, duplicated=1)


@pytest.mark.parametrize("is_acked_first", [True, False])
def test_message_that_is_stored_twice_is_duplicated(ledger: Ledger, is_acked_first: bool) -> None:
    number = send(ledger, seq=1) if is_acked_first else ledger.send(ROOM, CUSTOMER, 0.0, 0.0)
    deliver(ledger, number, 1)
    deliver(ledger, number, 2)
    deliver(ledger, send(ledger, seq=3), 3)
    assert ledger.balance() == Balance(
        sent=2, acked=1 + is_acked_first, delivered=2, duplicated=2, unanswered=not is_acked_first
    )


def test_ledger_with_a_bound_keeps_the_latest_acks_of_each_room() -> None:
    ledger = Ledger(most_stored=2)
    ledger.open_room(ROOM, 2)
    numbers = [send(ledger, seq=seq) for seq in (1, 2, 3)]
    assert list(ledger.stored[ROOM]) == [(2, numbers[1]), (3, numbers[2])]


def test_ack_without_seq_is_not_compared_with_the_history(ledger: Ledger) -> None:
    send(ledger, seq=0)
    assert not ledger.stored[ROOM]


def test_second_copy_of_a_resent_message_is_duplicated_only_with_seq(ledger: Ledger) -> None:
    for room, seq in ((0, 0), (1, 1)):
        number = send(ledger, seq=seq, room=room)
        ledger.send_again(number)
        deliver(ledger, number, seq, room=room)
        deliver(ledger, number, seq, room=room)
    assert ledger.balance() == Balance(sent=2, acked=2, delivered=2, duplicated=2, repeated=1)


def test_more_copies_than_were_sent_are_duplicated(ledger: Ledger) -> None:
    number = send(ledger, seq=0)
    ledger.send_again(number)
    for _ in range(3):
        deliver(ledger, number, 0)
    assert ledger.balance() == Balance(sent=1, acked=1, delivered=1, duplicated=2, repeated=1)


def test_message_sent_again_and_shown_once_is_no_repeat(ledger: Ledger) -> None:
    number = send(ledger, seq=0)
    ledger.send_again(number)
    deliver(ledger, number, 0)
    assert ledger.balance() == Balance(sent=1, acked=1, delivered=1)


@pytest.mark.parametrize("is_numbered", [True, False])
def test_earlier_message_after_a_later_one_is_reordered(ledger: Ledger, is_numbered: bool) -> None:
    seqs = (1, 2) if is_numbered else (0, 0)
    first, second = (send(ledger, seq=seq) for seq in seqs)
    deliver(ledger, first, seqs[0], CUSTOMER)
    deliver(ledger, second, seqs[1])
    deliver(ledger, first, seqs[0], AGENT)
    assert ledger.balance() == Balance(sent=2, acked=2, delivered=2, reordered=1)


def test_order_is_checked_per_conversation(ledger: Ledger) -> None:
    deliver(ledger, send(ledger, seq=1), 1)
    deliver(ledger, send(ledger, seq=1, room=1), 1, room=1)
    assert ledger.balance() == Balance(sent=2, acked=2, delivered=2)


def test_member_without_messages_after_a_reconnect_is_stalled_and_loses_none(ledger: Ledger) -> None:
    ledger.drop(ROOM, AGENT)
    ledger.enter(ROOM, AGENT, 0, 2.0)
    for seq in (1, 2):
        deliver(ledger, send(ledger, seq=seq, at_s=3.0), seq, CUSTOMER)
    assert ledger.balance() == Balance(sent=2, acked=2, stalled=1)


def test_member_that_misses_one_of_two_after_a_reconnect_loses_it(ledger: Ledger) -> None:
    ledger.drop(ROOM, AGENT)
    ledger.enter(ROOM, AGENT, 0, 2.0)
    deliver(ledger, send(ledger, seq=1, at_s=3.0), 1)
    deliver(ledger, send(ledger, seq=2, at_s=3.0), 2, CUSTOMER)
    assert ledger.balance() == Balance(sent=2, acked=2, delivered=1, lost=1)


def test_message_missed_while_disconnected_is_excused_only_without_history(ledger: Ledger) -> None:
    for room, seq, head in ((0, 1, 1), (1, 0, None)):
        ledger.drop(room, AGENT)
        deliver(ledger, send(ledger, seq=seq, room=room), seq, CUSTOMER, room=room)
        ledger.enter(room, AGENT, head, 2.0)
    assert ledger.balance() == Balance(sent=2, acked=2, lost=1, excused=1)


def test_latency_counts_from_the_scheduled_time_within_the_measurement(ledger: Ledger) -> None:
    ledger.measure_from_s, ledger.measure_until_s = 10.0, 11.0
    for seq, scheduled_s in enumerate((9.0, 10.0, 11.0), start=1):
        number = ledger.send(ROOM, CUSTOMER, scheduled_s, scheduled_s + 0.25)
        ledger.ack(number, seq, scheduled_s + 0.5)
        deliver(ledger, number, seq, now_s=scheduled_s + 1.0)
    assert ledger.samples.take() == {"ack": [500_000], "message": [1_000_000], "send_lag": [250_000]}
    assert ledger.samples.take() == {}


def test_member_that_left_for_good_need_not_receive_messages(ledger: Ledger) -> None:
    before = send(ledger, seq=1)
    deliver(ledger, before, 1, CUSTOMER)
    ledger.leave(ROOM, AGENT)
    assert ledger.is_settled
    deliver(ledger, send(ledger, seq=2), 2, CUSTOMER)
    assert ledger.balance() == Balance(sent=2, acked=2)


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(6)), st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_dropped_messages_are_lost_and_late_ones_reordered(
    order: list[int], dropped: set[int], doubled: set[int]
) -> None:
    ledger = open_ledger()
    numbers = [send(ledger, seq=index + 1) for index in range(6)]
    for number in numbers:
        deliver(ledger, number, number + 1, CUSTOMER)
    arrived: list[int] = []
    late = 0
    for index in order:
        if index in dropped:
            continue
        late += any(before > index for before in arrived)
        arrived.append(index)
        deliver(ledger, numbers[index], index + 1, *[AGENT] * (1 + (index in doubled)))
    assert ledger.balance() == Balance(
        sent=6,
        acked=6,
        delivered=len(arrived),
        lost=len(dropped),
        reordered=late,
        duplicated=len(doubled - dropped),
    )
