"""Server process of the supervisor, restarted after it exits, up to a limit of consecutive failures."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from chatws.server.errors import StartError
from chatws.server.logs import log_event
from chatws.server.workers.ipc import Listening, WorkerAssignment, decode_report, encode_line

if TYPE_CHECKING:
    from asyncio.subprocess import Process

    from chatws.settings import Settings

_log = logging.getLogger("chatws.workers")

COMMAND = (sys.executable, "-P", "-m", "chatws.server.workers")
MIN_UPTIME_S = 10.0
"""Uptime below which an exit counts as a failed start."""

MAX_FAILURES = 6
INITIAL_BACKOFF_S = 0.25
MAX_BACKOFF_S = 8.0


class Worker:
    """Server process and its restarts, all with the same number and port."""

    def __init__(self, number: int, settings: Settings) -> None:
        self._number = number
        self._settings = settings
        # Set when the first process listens; later processes listen on the same URL.
        self.url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._process: Process | None = None  # set while a process runs
        self._stopping = asyncio.Event()

    async def supervise(self) -> None:
        """Keep a server running until `stop`.

        Raises:
            StartError: the first process did not start, or `MAX_FAILURES` in a row exited within `MIN_UPTIME_S`.
        """
        failures = 0
        while not self._stopping.is_set():
            started_at = time.monotonic()
            code = await self._run_process()
            if self._stopping.is_set():
                return
            failures = failures + 1 if time.monotonic() - started_at < MIN_UPTIME_S else 0
            log_event(_log, logging.ERROR, "server_ended", server=self._number, code=code, failures=failures)
            if not self.url.done():
                raise StartError(f"server {self._number}", f"ended at its start ({_describe(code)})")
            if failures >= MAX_FAILURES:
                raise self._repeated_failure(code)
            await self._back_off(min(MAX_BACKOFF_S, INITIAL_BACKOFF_S * 2**failures))

    def stop(self) -> None:
        """Start draining the server; `supervise` returns after it has exited."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the server."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    async def _run_process(self) -> int:
        # A separate process group: otherwise Ctrl-C would also reach the servers, which the parent drains already.
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, process_group=0
        )
        self._process = process
        try:
            if self._stopping.is_set():
                process.kill()
            await self._exchange(process)
            return await process.wait()
        finally:
            self._process = None

    async def _exchange(self, process: Process) -> None:
        """Send a process its settings and read its report."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(encode_line(WorkerAssignment(self._number, self._settings)))
        try:
            report = decode_report(await process.stdout.readline())
        except msgspec.DecodeError:
            return  # it exited; the caller logs its exit code
        if isinstance(report, Listening):
            self._on_listening(report.url, process.pid)
            return
        await process.wait()
        if not self.url.done():
            raise report.to_error()
        log_event(_log, logging.ERROR, "server_not_started", server=self._number, why=f"{report.what}: {report.why}")

    def _on_listening(self, url: str, pid: int) -> None:
        log_event(_log, logging.INFO, "server_listening", server=self._number, url=url, pid=pid)
        if not self.url.done():
            self._settings = msgspec.structs.replace(self._settings, port=urlsplit(url).port)
            self.url.set_result(url)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _back_off(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _repeated_failure(self, code: int) -> StartError:
        return StartError(
            f"server {self._number} ({self.url.result()})",
            f"ended {MAX_FAILURES} times in a row, each time within {MIN_UPTIME_S:g} s, at last with {_describe(code)}",
            "see the log above for the reason",
        )


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
