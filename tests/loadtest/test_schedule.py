from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
import gevent.event

from chatws_loadtest.schedule import MOST_PER_TURN, Schedule, now_s

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 30.0


def test_parts_go_on_at_their_times_and_never_before() -> None:
    schedule, begin_s = Schedule(), now_s()
    heard: list[tuple[float, float]] = []

    def steps(*delays_s: float) -> Iterator[float]:
        for delay_s in delays_s:
            yield begin_s + delay_s
            heard.append((begin_s + delay_s, now_s()))

    parts = [schedule.begin(steps(0.03, 0.05)), schedule.begin(steps(0.01, 0.04)), schedule.begin(steps(0.02))]
    for part in parts:
        assert part.ended.wait(TIMEOUT_S)
    assert [due_s for due_s, _ in heard] == [begin_s + delay_s for delay_s in (0.01, 0.02, 0.03, 0.04, 0.05)]
    assert all(came_s >= due_s for due_s, came_s in heard)


def test_stopped_part_does_nothing_more_and_its_user_waits_for_nothing() -> None:
    schedule = Schedule()
    done: list[str] = []

    def steps(name: str) -> Iterator[float]:
        yield now_s() + 0.01
        done.append(name)

    stopped, other = schedule.begin(steps("stopped")), schedule.begin(steps("other"))
    stopped.stop()
    assert stopped.ended.is_set()
    assert other.ended.wait(TIMEOUT_S)
    assert done == ["other"]


def test_who_is_late_goes_on_at_once_in_order_and_lets_arrivals_be_read_between() -> None:
    schedule = Schedule()
    order: list[float | str] = []
    arrived = gevent.event.Event()

    def steps(late_s: float) -> Iterator[float]:
        yield now_s() - late_s
        order.append(late_s)
        # As an answer that is in the socket by now.
        gevent.get_hub().loop.run_callback(arrived.set)
        if arrived.is_set() and "arrived" not in order:
            order.append("arrived")

    lateness_s = [float(number) for number in range(1, 2 * MOST_PER_TURN + 1)]
    parts = [schedule.begin(steps(late_s)) for late_s in lateness_s]
    for part in parts:
        assert part.ended.wait(TIMEOUT_S)
    turns = order.index("arrived")
    assert MOST_PER_TURN <= turns < 2 * MOST_PER_TURN
    order.remove("arrived")
    assert order == sorted(lateness_s, reverse=True)
