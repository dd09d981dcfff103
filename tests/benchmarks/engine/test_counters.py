from __future__ import annotations

from benchmarks.common.schedule import clock_s
from benchmarks.engine.counters import FIRST_NUMBER, DeliveryCounters, DeliveryErrors


def test_acked_and_delivered_load_is_settled_without_errors() -> None:
    counters = DeliveryCounters()
    number = counters.send(clock_s(), receivers=2)
    counters.deliver(number, in_order=True, is_echo=True)
    counters.deliver(number, in_order=True, is_echo=False)
    assert not counters.is_settled()
    counters.ack(number, success=True)
    assert counters.is_settled()
    assert counters.errors() == DeliveryErrors()
    assert (counters.acked, counters.delivered) == (1, 2)


def test_missing_ack_and_missing_delivery_are_errors() -> None:
    counters = DeliveryCounters()
    refused, _ = counters.send(clock_s(), receivers=2), counters.send(clock_s(), receivers=2)
    counters.ack(refused, success=False)
    counters.deliver(refused, in_order=True, is_echo=False)
    assert counters.errors() == DeliveryErrors(unanswered=1, refused=1, undelivered=3)
    assert counters.errors().any


def test_repeated_delivery_is_an_error() -> None:
    counters = DeliveryCounters()
    number = counters.send(clock_s(), receivers=1)
    counters.deliver(number, in_order=True, is_echo=False)
    counters.deliver(number, in_order=False, is_echo=False)
    assert counters.errors().disordered == 1


def test_latencies_count_from_the_scheduled_time_and_exclude_the_sender() -> None:
    counters = DeliveryCounters()
    number = counters.send(clock_s() - 2.0, receivers=2)
    counters.deliver(number, in_order=True, is_echo=True)
    counters.deliver(number, in_order=True, is_echo=False)
    counters.ack(number, success=True)
    assert len(counters.peer_us) == len(counters.ack_us) == len(counters.lag_us) == 1
    assert min(counters.peer_us[0], counters.ack_us[0], counters.lag_us[0]) >= 2_000_000


def test_warm_up_has_no_latencies_but_still_counts() -> None:
    counters = DeliveryCounters()
    first = counters.send(clock_s(), receivers=0)
    counters.ack(first, success=True)
    counters.clear_latencies()
    assert counters.ack_us == []
    assert counters.send(clock_s(), receivers=0) == FIRST_NUMBER + 1
    assert counters.errors().unanswered == 1


def test_each_ack_triggers_the_next_send_of_a_closed_loop() -> None:
    counters = DeliveryCounters()
    sent: list[int] = []
    counters.on_ack = lambda: sent.append(counters.send(clock_s(), receivers=0))
    counters.ack(counters.send(clock_s(), receivers=0), success=True)
    assert sent == [FIRST_NUMBER + 1]
