"""Signals and outcomes that end a run, with the exit code of each."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

from chatws.exit_codes import ExitCode
from chatws_loadtest.verdict import Outcome

SIGNAL_CODES: Final = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.HUNG_UP,
}
OUTCOME_CODES: Final = {
    Outcome.PASS: ExitCode.DONE,
    Outcome.INVALID: ExitCode.INVALID_RUN,
    Outcome.FAIL: ExitCode.TARGET_MISSED,
}


def call_on_signals(stop: Callable[[ExitCode], object]) -> None:
    """Call ``stop`` with the exit code when a signal arrives, in the running event loop."""
    loop = asyncio.get_running_loop()
    for number, code in SIGNAL_CODES.items():
        # Under nohup SIGHUP is ignored, and must stay ignored.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stop, code)
