from __future__ import annotations

from typing import TYPE_CHECKING

import gevent
import gevent.event

from chatws_loadtest.schedule import MAX_PER_ITERATION, Schedule, now_s

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 30.0


def test_tasks_resume_at_their_times_and_never_earlier() -> None:
    schedule, begin_s = Schedule(), now_s()
    resumed: list[tuple[float, float]] = []

    def steps(*delays_s: float) -> Iterator[float]:
        for delay_s in delays_s:
            yield begin_s + delay_s
            resumed.append((begin_s + delay_s, now_s()))

    tasks = [schedule.begin(steps(0.03, 0.05)), schedule.begin(steps(0.01, 0.04)), schedule.begin(steps(0.02))]
    for task in tasks:
        assert task.ended.wait(TIMEOUT_S)
    assert [due_s for due_s, _ in resumed] == [begin_s + delay_s for delay_s in (0.01, 0.02, 0.03, 0.04, 0.05)]
    assert all(came_s >= due_s for due_s, came_s in resumed)


def test_stopped_task_does_not_resume() -> None:
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


def test_late_tasks_resume_in_order_with_reads_in_between() -> None:
    schedule = Schedule()
    order: list[float | str] = []
    arrived = gevent.event.Event()

    def steps(late_s: float) -> Iterator[float]:
        yield now_s() - late_s
        order.append(late_s)
        # Stands for a reply that is ready to be read from its socket.
        gevent.get_hub().loop.run_callback(arrived.set)
        if arrived.is_set() and "arrived" not in order:
            order.append("arrived")

    lateness_s = [float(number) for number in range(1, 2 * MAX_PER_ITERATION + 1)]
    tasks = [schedule.begin(steps(late_s)) for late_s in lateness_s]
    for task in tasks:
        assert task.ended.wait(TIMEOUT_S)
    resumed = order.index("arrived")
    assert MAX_PER_ITERATION <= resumed < 2 * MAX_PER_ITERATION
    order.remove("arrived")
    assert order == sorted(lateness_s, reverse=True)
