"""What a thread takes at once: what waits, and, when it is busy, what comes in a moment."""

from __future__ import annotations

import asyncio
import time
from queue import SimpleQueue

import pytest

from chatws.store.mailbox import Call, Mailbox

GATHER_S = 0.002


def _job() -> Call:
    return Call(asyncio.get_running_loop(), lambda _connection: None)


async def test_busy_thread_takes_what_comes_while_it_gathers(monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox: Mailbox[Call] = Mailbox(asyncio.get_running_loop(), 10)
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
    mailbox: Mailbox[Call] = Mailbox(asyncio.get_running_loop(), 10)
    job = _job()

    class WaitedFor(SimpleQueue[Call | None]):
        """Empty until somebody waits for it."""

        def get(self, block: bool = True, timeout: float | None = None) -> Call | None:
            self.put(job)
            return super().get(block, timeout)

    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(mailbox, "_queue", WaitedFor())
    assert mailbox.take(1, GATHER_S) == [job]
    assert pauses == []
