"""Process of the analysis, forked from the proxy's: it reads observations from a stream, and writes the output."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from chatws.exit_codes import ExitCode
from chatws.gc_tuning import tune_gc
from chatws_loadtest.exit_signals import SIGNAL_CODES
from chatws_loadtest.tap.analyser import Analyser
from chatws_loadtest.tap.observation_stream import ObservationDecoder, open_stream
from chatws_loadtest.tap.tap_records import TapRecord
from chatws_loadtest.tap.tap_server import TapOptions

GC_THRESHOLD: Final = 20_000
"""New objects per collection; the default of 700 would collect dozens of times a second in a busy tap."""

NICENESS: Final = 19
READ_BYTES: Final = 256 * 1024
END_TIMEOUT_S: Final = 5.0
"""Time for the last records, after which the process is killed; the output itself has 2 s."""

CRASHED: Final = 70
"""Exit code after an exception (``EX_SOFTWARE`` of sysexits.h), whose traceback is on standard error."""

Emit = Callable[[TapRecord], None]


class AnalysisProcess:
    """Child process that calls a function with the reading end of a stream, and ends with the code that it returns.

    It ends when the writing end is closed, also by the death of this process. Until then it ignores the signals that a
    terminal sends to both.
    """

    def __init__(self, run: Callable[[int], ExitCode]) -> None:
        """Fork the process; this one has no other thread and no event loop yet."""
        # Before the fork, so that neither process visits, and copies, the objects of the imported modules.
        tune_gc(GC_THRESHOLD)
        reading, self.observations = open_stream()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that arrives in between must not end the child.
        held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNAL_CODES)
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self.observations)
            for number in SIGNAL_CODES:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
            _run_and_exit(run, reading)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        os.close(reading)
        # Set by `wait`.
        self._waiting: asyncio.Task[int] | None = None

    async def wait(self) -> int:
        """Wait for the end; return the exit code, or a negative number for a signal; it may be repeated."""
        if self._waiting is None:
            self._waiting = asyncio.create_task(asyncio.to_thread(self._reap))
        return await asyncio.shield(self._waiting)

    async def end(self) -> int:
        """Wait for the end after the writing end was closed, and kill the process if it takes too long."""
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                return await self.wait()
        except TimeoutError:
            os.kill(self._pid, signal.SIGKILL)
            return await self.wait()

    def _reap(self) -> int:
        _, status = os.waitpid(self._pid, 0)
        return os.waitstatus_to_exitcode(status)


def analyse(observations: int, options: TapOptions, started_s: float, emit: Emit) -> Iterator[None]:
    """Analyse a stream of observations until it is closed; yield after each read, which is at least every 50 ms."""
    analyser = Analyser(options.mapping, options.analysis, started_s, emit)
    decoder = ObservationDecoder()
    while chunk := os.read(observations, READ_BYTES):
        for seen in decoder.feed(chunk):
            analyser.observe(seen)
        yield


def _run_and_exit(run: Callable[[int], ExitCode], reading: int) -> None:
    code: int = CRASHED
    try:
        lower_priority()
        code = run(reading)
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - the stack below belongs to the proxy
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def lower_priority() -> None:
    """Give the analysis the time that no other process needs.

    A nice value alone would let the kernel wake up the server behind the analysis, although it could replace it.
    """
    os.nice(NICENESS)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
