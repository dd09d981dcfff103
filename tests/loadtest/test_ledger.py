from __future__ import annotations

from chatws_loadtest.ledger import Ledger

CUSTOMER, AGENT = 0, 1


def deliver(ledger: Ledger, number: int, seq: int, now_s: float = 1.0) -> None:
    ledger.receive(0, CUSTOMER, number, seq, now_s)
    ledger.receive(0, AGENT, number, seq, now_s)


def test_acked_and_delivered_to_both_is_clean() -> None:
    ledger = Ledger()
    number = ledger.send(CUSTOMER, 0.0, 0.0)
    ledger.ack(number, 1, 0.5)
    deliver(ledger, number, 1)
    assert ledger.is_settled
    assert ledger.counts().is_clean
    assert ledger.counts().delivered == 1


def test_acked_message_that_one_member_misses_is_lost() -> None:
    ledger = Ledger()
    number = ledger.send(CUSTOMER, 0.0, 0.0)
    ledger.ack(number, 1, 0.5)
    ledger.receive(0, CUSTOMER, number, 1, 0.6)
    assert not ledger.is_settled
    assert ledger.counts().lost == 1


def test_message_without_any_answer_is_unanswered_and_not_lost() -> None:
    ledger = Ledger()
    ledger.send(CUSTOMER, 0.0, 0.0)
    counts = ledger.counts()
    assert (counts.unanswered, counts.lost) == (1, 0)
    assert not counts.is_clean


def test_refusals_are_counted_by_code() -> None:
    ledger = Ledger()
    for _ in range(2):
        ledger.refuse(ledger.send(AGENT, 0.0, 0.0), "rate_limited")
    assert ledger.counts().refused == {"rate_limited": 2}
    assert not ledger.counts().is_clean


def test_second_copy_to_one_member_is_duplicated() -> None:
    ledger = Ledger()
    number = ledger.send(CUSTOMER, 0.0, 0.0)
    ledger.ack(number, 1, 0.5)
    deliver(ledger, number, 1)
    ledger.receive(0, AGENT, number, 1, 2.0)
    assert ledger.counts().duplicated == 1


def test_lower_seq_after_a_higher_one_is_reordered() -> None:
    ledger = Ledger()
    first, second = ledger.send(CUSTOMER, 0.0, 0.0), ledger.send(AGENT, 0.0, 0.0)
    deliver(ledger, second, 2)
    deliver(ledger, first, 1)
    assert ledger.counts().reordered == 2


def test_order_is_kept_apart_for_each_conversation() -> None:
    ledger = Ledger()
    first, second = ledger.send(CUSTOMER, 0.0, 0.0), ledger.send(CUSTOMER, 0.0, 0.0)
    ledger.receive(0, AGENT, first, 9, 1.0)
    ledger.receive(1, AGENT, second, 1, 1.0)
    assert ledger.counts().reordered == 0


def test_latency_counts_from_the_intended_time_and_leaves_out_the_warm_up() -> None:
    ledger = Ledger()
    ledger.measure_from_s = 10.0
    for intended_s in (9.0, 10.0):
        number = ledger.send(CUSTOMER, intended_s, intended_s + 0.25)
        ledger.ack(number, number + 1, intended_s + 0.5)
        deliver(ledger, number, number + 1, intended_s + 1.0)
    to_ack, to_peer, lag = ledger.latencies()
    assert (to_ack.count, to_ack.p50_ms) == (1, 500.0)
    assert (to_peer.count, to_peer.max_ms) == (1, 1000.0)
    assert (lag.count, lag.p99_ms) == (1, 250.0)
