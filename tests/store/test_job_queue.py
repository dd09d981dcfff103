"""Job queues: batches taken by threads and tasks, wake-ups, and closing."""

from __future__ import annotations

import asyncio
import time
from queue import SimpleQueue

import pytest

from chatws.store.job_queue import MAX_WAKES, QueryJob, TaskJobQueue, ThreadJobQueue

GATHER_S = 0.002


def _job() -> QueryJob:
    return QueryJob(asyncio.get_running_loop(), lambda _connection: None)


async def test_busy_thread_takes_jobs_posted_while_it_collects_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    queue: ThreadJobQueue[QueryJob] = ThreadJobQueue(asyncio.get_running_loop(), 10)
    early, late = _job(), _job()
    queue.post(early)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        queue.post(late)

    monkeypatch.setattr(time, "sleep", pause)
    assert queue.take(10, GATHER_S) == [early, late]
    assert pauses == [GATHER_S]


async def test_idle_thread_takes_the_first_job_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queue: ThreadJobQueue[QueryJob] = ThreadJobQueue(asyncio.get_running_loop(), 10)
    job = _job()

    class FilledOnWait(SimpleQueue[None]):
        """Queue that receives a job when a thread waits for it."""

        def get(self, block: bool = True, timeout: float | None = None) -> None:
            assert block
            assert timeout is None
            queue.post(job)

    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(queue, "_wakes", FilledOnWait())
    assert queue.take(1, GATHER_S) == [job]
    assert pauses == []


async def test_jobs_of_one_loop_iteration_wake_a_thread_once(monkeypatch: pytest.MonkeyPatch) -> None:
    queue: ThreadJobQueue[QueryJob] = ThreadJobQueue(asyncio.get_running_loop(), 10)
    wakes: SimpleQueue[None] = SimpleQueue()
    monkeypatch.setattr(queue, "_wakes", wakes)
    jobs = [_job() for _ in range(5)]
    for job in jobs:
        queue.post(job)
    assert wakes.empty()
    await asyncio.sleep(0)
    assert 0 < wakes.qsize() <= MAX_WAKES
    assert queue.take(10) == jobs


async def test_jobs_posted_before_the_end_are_taken_before_it() -> None:
    queue: ThreadJobQueue[QueryJob] = ThreadJobQueue(asyncio.get_running_loop(), 10)
    job = _job()
    queue.post(job)
    queue.close()
    assert [queue.take(1), queue.take(1), queue.take(1)] == [[job], [], []]


async def test_of_tasks_that_wait_the_last_gets_the_first_job() -> None:
    queue: TaskJobQueue[QueryJob] = TaskJobQueue(10)
    waiting = [asyncio.create_task(queue.take(1)) for _ in range(2)]
    await asyncio.sleep(0)
    first, second = _job(), _job()
    queue.post(first)
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [False, True], "not the last one, whose connection was used last"
    queue.post(second)
    assert await asyncio.gather(*waiting) == [[second], [first]]


async def test_closed_queue_gives_its_jobs_to_tasks_before_it_ends() -> None:
    queue: TaskJobQueue[QueryJob] = TaskJobQueue(10)
    idle = asyncio.create_task(queue.take(1))
    await asyncio.sleep(0)
    queue.close()
    assert await idle == []
    late: TaskJobQueue[QueryJob] = TaskJobQueue(10)
    job = _job()
    late.post(job)
    late.close()
    assert [await late.take(1), await late.take(1)] == [[job], []]
