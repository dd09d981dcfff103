"""Queue of equal deadlines."""

from __future__ import annotations

from chatws.server.tcp.deadlines import DeadlineQueue


def test_items_expire_in_the_order_of_their_arrival() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue(10.0)
    queue.add("first", 100.0)
    queue.add("second", 105.0)
    assert list(queue.take_expired(109.9)) == []
    assert list(queue.take_expired(110.0)) == ["first"]
    assert list(queue.take_expired(114.9)) == []
    assert list(queue.take_expired(200.0)) == ["second"]


def test_adding_a_waiting_item_does_not_extend_its_time() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue(10.0)
    queue.add("slow", 100.0)
    queue.add("slow", 109.0)
    assert list(queue.take_expired(110.0)) == ["slow"]


def test_discarded_item_waits_anew_when_it_is_added_again() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue(10.0)
    queue.add("item", 100.0)
    queue.discard("item")
    queue.add("item", 109.0)
    assert list(queue.take_expired(118.9)) == []
    assert queue.oldest_since_s == 109.0


def test_timeout_of_zero_never_ends() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue(0.0)
    queue.add("item", 0.0)
    assert list(queue.take_expired(1e9)) == []
    assert queue.take_oldest() == "item"
    assert queue.take_oldest() is None
