"""Pool of load processes: starts them, sends them commands, and reads their messages until they exit."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, deque
from typing import TYPE_CHECKING, Final, TypeVar

from chatws_loadtest import ipc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatws_loadtest.ipc import WorkerCommand, WorkerDone, WorkerPlan, WorkerReady
    from chatws_loadtest.stats_collector import StatsCollector

T = TypeVar("T")
LOAD_PROCESS: Sequence[str] = (sys.executable, "-m", "chatws_loadtest.locust_worker")
"""Command that starts a load process."""

MAX_LINE_BYTES: Final = 512 * 1024 * 1024
"""The final report of a long run lists every stored message in one line."""

END_TIMEOUT_S: Final = 15.0
STDERR_LINES: Final = 30
MAX_REASONS: Final = 3
"""Reasons of refusals that are described."""


class LoadRefused(Exception):
    """No user could connect; ``code`` is the server's error code if it refused."""

    def __init__(self, reason: str, code: str | None = None) -> None:
        super().__init__(reason, code)
        self.reason = reason
        self.code = code

    def __str__(self) -> str:
        return self.reason


class WorkerPool:
    """One load process for each plan; their statistics go to ``stats``."""

    def __init__(self, plans: Sequence[WorkerPlan], stats: StatsCollector) -> None:
        self.broken = asyncio.Event()
        """Set once a process ended without a final report; later measurements of the others are invalid."""
        self.lost = 0
        """Processes that ended without a final report."""
        self.guide_only = False
        self.connected = 0
        """Users that have joined their rooms."""
        self.complete_rooms = 0
        self.refusals: Counter[str] = Counter()
        """Number of users that could not join, by reason."""
        self._refusal_code: str | None = None
        # Processes in which the server refused users of one kind only.
        self._kinds_refused = 0
        self.done: dict[int, WorkerDone] = {}
        """Final reports, by index of the process."""
        self._plans = plans
        self._stats = stats
        self._children: list[asyncio.subprocess.Process] = []
        self._tasks: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        self._ready: list[asyncio.Future[None]] = [loop.create_future() for _ in plans]
        self._done: list[asyncio.Future[WorkerDone | None]] = [loop.create_future() for _ in plans]
        self._stderr_lines: deque[str] = deque(maxlen=STDERR_LINES)

    @property
    def stderr_lines(self) -> list[str]:
        """Last lines that the processes wrote to standard error."""
        return list(self._stderr_lines)

    async def start(self) -> None:
        """Start the processes, which begin to connect at once."""
        for index, plan in enumerate(self._plans):
            child = await asyncio.create_subprocess_exec(
                *LOAD_PROCESS,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=MAX_LINE_BYTES,
                # Ctrl-C must reach the command only, which then stops its processes in order.
                start_new_session=True,
            )
            self._children.append(child)
            assert child.stdin is not None
            child.stdin.write(ipc.encode(plan) + b"\n")
            self._tasks.append(asyncio.create_task(self._read_messages(index, child)))
            self._tasks.append(asyncio.create_task(self._read_stderr(child)))

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until each user has joined its room or cannot; `connected` and `refusals` count them.

        Raises:
            LoadRefused: no user could join, or the credentials of all agents, or of all customers, were refused.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*self._ready)
        except TimeoutError:
            expected = sum(plan.users if plan.start_users is None else plan.start_users for plan in self._plans)
            reached = f"after {timeout_s:.0f} s only {self._stats.connections} of {expected} users were connected"
            reason = self._stats.connect_error
            raise LoadRefused(f"{reached}; {reason}" if reason else reached) from None
        if not self.connected or self._kinds_refused == len(self._plans):
            raise LoadRefused(describe_refusals(self.refusals), self._refusal_code)

    def send(self, command: WorkerCommand) -> None:
        """Send a command to every process."""
        self.send_each([command] * len(self._plans))

    def send_each(self, commands: Sequence[WorkerCommand]) -> None:
        """Send each process its command."""
        for child, command in zip(self._children, commands, strict=True):
            if child.stdin is not None and not child.stdin.is_closing():
                child.stdin.write(ipc.encode(command) + b"\n")

    async def finish(self, drain_s: float) -> list[WorkerDone]:
        """Stop sending messages and collect the final reports; a process without one counts as lost."""
        self.send(ipc.Finish(drain_s))
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
        """Wait for the processes to exit, and kill those that do not; may be called again."""
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
            # Retrieve the exception: asyncio logs one that is never retrieved.
            if future.done() and not future.cancelled():
                future.exception()

    async def _read_messages(self, index: int, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        ready, done = self._ready[index], self._done[index]
        async for line in child.stdout:
            match ipc.decode_message.decode(line):
                case ipc.WorkerStats() as stats:
                    self._stats.add(index, stats)
                case ipc.WorkerReady() as report:
                    self._add_ready(report)
                    _set(ready, None)
                case ipc.WorkerDone() as final:
                    _set(done, final)
                case ipc.WorkerFailed(reason, code):
                    if not ready.done():
                        ready.set_exception(LoadRefused(reason, code))
        if not ready.done():
            ready.set_exception(LoadRefused("a load process ended:\n" + "\n".join(self._stderr_lines)))
        if not done.done():
            done.set_result(None)
            self.broken.set()

    def _add_ready(self, report: WorkerReady) -> None:
        self.guide_only = self.guide_only or report.guide_only
        self.connected += report.connected
        self.complete_rooms += report.complete_rooms
        self.refusals.update(report.refusals)
        self._refusal_code = self._refusal_code or report.code
        self._kinds_refused += report.refuses_kind

    async def _read_stderr(self, child: asyncio.subprocess.Process) -> None:
        assert child.stderr is not None
        async for line in child.stderr:
            self._stderr_lines.append(line.decode(errors="replace").rstrip())


def describe_refusals(refusals: Counter[str]) -> str:
    """Describe the reasons of users that could not join, the most frequent first."""
    if len(refusals) == 1:
        return next(iter(refusals))
    return "; ".join(f"{count} users: {reason}" for reason, count in refusals.most_common(MAX_REASONS))


def _set(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)
