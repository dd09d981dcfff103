"""What a thread takes at once: what waits, and, when it is busy, what comes in a moment."""

from __future__ import annotations

import asyncio
import time
from queue import SimpleQueue

import pytest

from chatws.store.job_queue import MAX_WAKES, JobQueue, QueryJob

GATHER_S = 0.002


def _job() -> QueryJob:
    return QueryJob(asyncio.get_running_loop(), lambda _connection: None)


async def test_busy_thread_takes_what_comes_while_it_gathers(monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox: JobQueue[QueryJob] = JobQueue(asyncio.get_running_loop(), 10)
    early, late = _job(), _job()
    mailbox.post(early)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        mailbox.post(late)

    monkeypatch.setattr(time, "sleep", pause)
    assert mailbox.take(10, GATHER_S) == [early, late]
    assert pauses == [GATHER_S]


async def test_idle_thread_takes_the_first_job_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox: JobQueue[QueryJob] = JobQueue(asyncio.get_running_loop(), 10)
    job = _job()

    class WaitedFor(SimpleQueue[None]):
        """Empty until somebody waits for it."""

        def get(self, block: bool = True, timeout: float | None = None) -> None:
            assert block
            assert timeout is None
            mailbox.post(job)

    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(mailbox, "_wakes", WaitedFor())
    assert mailbox.take(1, GATHER_S) == [job]
    assert pauses == []


async def test_jobs_of_one_turn_wake_a_thread_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox: JobQueue[QueryJob] = JobQueue(asyncio.get_running_loop(), 10)
    wakes: SimpleQueue[None] = SimpleQueue()
    monkeypatch.setattr(mailbox, "_wakes", wakes)
    jobs = [_job() for _ in range(5)]
    for job in jobs:
        mailbox.post(job)
    assert wakes.empty()
    await asyncio.sleep(0)
    assert 0 < wakes.qsize() <= MAX_WAKES
    assert mailbox.take(10) == jobs


async def test_jobs_posted_before_the_end_are_taken_before_it() -> None:
    mailbox: JobQueue[QueryJob] = JobQueue(asyncio.get_running_loop(), 10)
    job = _job()
    mailbox.post(job)
    mailbox.close()
    assert [mailbox.take(1), mailbox.take(1), mailbox.take(1)] == [[job], [], []]
