"""One of the parent's servers: started, started again when it ends, and given up when that does not help."""

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
SHORT_LIFE_S = 10.0
"""A server that ends sooner has failed at its start, whatever it did in between."""

MAX_FAILURES = 6
FIRST_PAUSE_S = 0.25
MAX_PAUSE_S = 8.0


class Worker:
    """A server process and its successors, all at the same place."""

    def __init__(self, number: int, settings: Settings) -> None:
        self._number = number
        self._settings = settings
        # Done at the first announcement; its successors listen there, too.
        self.url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._process: Process | None = None  # while one runs
        self._stopping = asyncio.Event()

    async def keep(self) -> None:
        """Have a server running until `stop`.

        Raises:
            StartError: the first one did not start, or `MAX_FAILURES` in a row ended within `SHORT_LIFE_S`.
        """
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_one()
            if self._stopping.is_set():
                return
            failures = failures + 1 if time.monotonic() - began < SHORT_LIFE_S else 0
            log_event(_log, logging.ERROR, "server_ended", server=self._number, code=code, failures=failures)
            if not self.url.done():
                raise StartError(f"server {self._number}", f"ended at its start ({_describe(code)})")
            if failures >= MAX_FAILURES:
                raise self._hopeless(code)
            await self._pause(min(MAX_PAUSE_S, FIRST_PAUSE_S * 2**failures))

    def stop(self) -> None:
        """Ask the server to drain; `keep` returns when it has ended."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the server at once."""
        self._stopping.set()
        self._signal(signal.SIGKILL)

    async def _run_one(self) -> int:
        # A group of its own: Ctrl-C reaches the parent, who drains all, and not each of them a second time.
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, process_group=0
        )
        self._process = process
        try:
            if self._stopping.is_set():
                process.kill()
            await self._greet(process)
            return await process.wait()
        finally:
            self._process = None

    async def _greet(self, process: Process) -> None:
        """Hand a server its settings and read what came of them."""
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(encode_line(WorkerAssignment(self._number, self._settings)))
        try:
            report = decode_report(await process.stdout.readline())
        except msgspec.DecodeError:
            return  # it died; its exit code tells more
        if isinstance(report, Listening):
            self._listens(report.url, process.pid)
            return
        await process.wait()
        if not self.url.done():
            raise report.error()
        log_event(_log, logging.ERROR, "server_not_started", server=self._number, why=f"{report.what}: {report.why}")

    def _listens(self, url: str, pid: int) -> None:
        log_event(_log, logging.INFO, "server_listening", server=self._number, url=url, pid=pid)
        if not self.url.done():
            self._settings = msgspec.structs.replace(self._settings, port=urlsplit(url).port)
            self.url.set_result(url)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _hopeless(self, code: int) -> StartError:
        return StartError(
            f"server {self._number} ({self.url.result()})",
            f"ended {MAX_FAILURES} times in a row, each time within {SHORT_LIFE_S:g} s, at last with {_describe(code)}",
            "the log above says why",
        )


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
