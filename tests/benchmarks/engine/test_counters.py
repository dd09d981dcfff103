from __future__ import annotations

from benchmarks.engine.counters import FIRST_NUMBER, DeliveryCounters, DeliveryErrors, clock_s


def test_answered_and_delivered_load_is_settled_without_faults() -> None:
    tally = DeliveryCounters()
    number = tally.send(clock_s(), receivers=2)
    tally.deliver(number, in_order=True, is_echo=True)
    tally.deliver(number, in_order=True, is_echo=False)
    assert not tally.is_settled()
    tally.answer(number, success=True)
    assert tally.is_settled()
    assert tally.faults() == DeliveryErrors()
    assert (tally.acked, tally.delivered) == (1, 2)


def test_what_never_came_is_a_fault() -> None:
    tally = DeliveryCounters()
    answered, _ = tally.send(clock_s(), receivers=2), tally.send(clock_s(), receivers=2)
    tally.answer(answered, success=False)
    tally.deliver(answered, in_order=True, is_echo=False)
    assert tally.faults() == DeliveryErrors(unanswered=1, refused=1, undelivered=3)
    assert tally.faults().any


def test_repeated_delivery_is_a_fault() -> None:
    tally = DeliveryCounters()
    number = tally.send(clock_s(), receivers=1)
    tally.deliver(number, in_order=True, is_echo=False)
    tally.deliver(number, in_order=False, is_echo=False)
    assert tally.faults().disordered == 1


def test_latencies_count_from_the_intended_time_and_leave_out_the_sender() -> None:
    tally = DeliveryCounters()
    number = tally.send(clock_s() - 2.0, receivers=2)
    tally.deliver(number, in_order=True, is_echo=True)
    tally.deliver(number, in_order=True, is_echo=False)
    tally.answer(number, success=True)
    assert len(tally.peer_us) == len(tally.ack_us) == len(tally.lag_us) == 1
    assert min(tally.peer_us[0], tally.ack_us[0], tally.lag_us[0]) >= 2_000_000


def test_warm_up_is_not_timed_but_still_accounted_for() -> None:
    tally = DeliveryCounters()
    first = tally.send(clock_s(), receivers=0)
    tally.answer(first, success=True)
    tally.forget_times()
    assert tally.ack_us == []
    assert tally.send(clock_s(), receivers=0) == FIRST_NUMBER + 1
    assert tally.faults().unanswered == 1


def test_each_answer_lets_the_closed_loop_go_on() -> None:
    tally = DeliveryCounters()
    sent: list[int] = []
    tally.on_answer = lambda: sent.append(tally.send(clock_s(), receivers=0))
    tally.answer(tally.send(clock_s(), receivers=0), success=True)
    assert sent == [FIRST_NUMBER + 1]
