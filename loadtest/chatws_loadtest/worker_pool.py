"""The load processes: started together, ordered together, read until the last one is done."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

from chatws_loadtest import ipc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.ipc import Order, WorkerDone, WorkerPlan
    from chatws_loadtest.stats_collector import StatsCollector

T = TypeVar("T")
LONGEST_LINE_BYTES: Final = 512 * 1024 * 1024
"""A long run's account of stored messages is one line."""

END_TIMEOUT_S: Final = 15.0
STDERR_LINES: Final = 30


class LoadRefused(Exception):
    """The load could not be built up: what a load process said, and the server's code if it refused."""

    def __init__(self, reason: str, code: str | None = None) -> None:
        super().__init__(reason, code)
        self.reason = reason
        self.code = code

    def __str__(self) -> str:
        return self.reason


class WorkerPool:
    """One process for each plan; what they report goes to the recorder."""

    def __init__(self, plans: Sequence[WorkerPlan], recorder: StatsCollector, broken: asyncio.Event) -> None:
        self.lost = 0
        """Processes that ended before they were told to."""
        self.guide_only = False
        self.done: dict[int, WorkerDone] = {}
        """What the processes reported at their end."""
        self._plans = plans
        self._recorder = recorder
        # Set when a process has ended without its account.
        self._broken = broken
        self._children: list[asyncio.subprocess.Process] = []
        self._tasks: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        self._ready: list[asyncio.Future[None]] = [loop.create_future() for _ in plans]
        self._done: list[asyncio.Future[WorkerDone | None]] = [loop.create_future() for _ in plans]
        self._complaints: deque[str] = deque(maxlen=STDERR_LINES)

    async def start(self) -> None:
        """Start the processes; they begin to connect at once."""
        for index, plan in enumerate(self._plans):
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chatws_loadtest.locust_worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE_BYTES,
                # Ctrl-C is for the command, which ends its processes in order.
                start_new_session=True,
            )
            self._children.append(child)
            assert child.stdin is not None
            child.stdin.write(ipc.encode(plan) + b"\n")
            self._tasks.append(asyncio.create_task(self._read_reports(index, child)))
            self._tasks.append(asyncio.create_task(self._read_complaints(child)))

    async def ready(self, timeout_s: float) -> None:
        """Wait until every user is in its room.

        Raises:
            LoadRefused: somebody can never be, or was not in time.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*self._ready)
        except TimeoutError:
            expected = sum(plan.users for plan in self._plans)
            reached = f"after {timeout_s:.0f} s only {self._recorder.connections} of {expected} users were connected"
            trouble = self._recorder.trouble
            raise LoadRefused(f"{reached}; {trouble}" if trouble else reached) from None

    def order(self, order: Order) -> None:
        """Tell all processes something."""
        line = ipc.encode(order) + b"\n"
        for child in self._children:
            if child.stdin is not None and not child.stdin.is_closing():
                child.stdin.write(line)

    async def finish(self, drain_s: float) -> list[WorkerDone]:
        """Let everybody fall silent and report; a process that does not is lost."""
        self.order(ipc.Finish(drain_s))
        waiting = asyncio.gather(*self._done)
        try:
            async with asyncio.timeout(drain_s + END_TIMEOUT_S):
                reported = await waiting
        except TimeoutError:
            reported = [future.result() if future.done() and not future.cancelled() else None for future in self._done]
        self.done = {index: report for index, report in enumerate(reported) if report is not None}
        self.lost = len(self._plans) - len(self.done)
        return list(self.done.values())

    async def stop(self) -> None:
        """End what still runs."""
        for child in self._children:
            if child.stdin is not None:
                child.stdin.close()
        for child in self._children:
            try:
                async with asyncio.timeout(END_TIMEOUT_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for future in self._ready:
            # One that nobody waited for must not complain about its exception.
            if future.done() and not future.cancelled():
                future.exception()

    async def _read_reports(self, index: int, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        ready, done = self._ready[index], self._done[index]
        async for line in child.stdout:
            match ipc.decode_report.decode(line):
                case ipc.Tick() as tick:
                    self._recorder.take(index, tick)
                case ipc.WorkerReady(guide_only):
                    self.guide_only = self.guide_only or guide_only
                    _set(ready, None)
                case ipc.WorkerDone() as report:
                    _set(done, report)
                case ipc.WorkerFailed(reason, code):
                    if not ready.done():
                        ready.set_exception(LoadRefused(reason, code))
        if not ready.done():
            ready.set_exception(LoadRefused("a load process ended:\n" + "\n".join(self._complaints)))
        if not done.done():
            done.set_result(None)
            self._broken.set()

    async def _read_complaints(self, child: asyncio.subprocess.Process) -> None:
        assert child.stderr is not None
        async for line in child.stderr:
            self._complaints.append(line.decode(errors="replace").rstrip())

    @property
    def complaints(self) -> list[str]:
        """The last lines that the processes wrote to standard error."""
        return list(self._complaints)


def _set(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)
