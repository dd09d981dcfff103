"""Load test for use in pytest: ``testing.loadtest("--url", url)``; `proxy.FaultProxy` injects network faults."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from chatws.exit_codes import ExitCode
from chatws_loadtest.results import Report, read_json

WITH_REPORT: Final = frozenset({ExitCode.DONE, ExitCode.INVALID_RUN, ExitCode.TARGET_MISSED})


class LoadtestFailed(Exception):
    """The load test made no report; the text is its standard error."""


def loadtest(*options: str, timeout_s: float = 600.0) -> Report:
    """Run ``chatws loadtest`` with these options in a separate process, and return its report.

    Assert on ``report.outcome``, or on values in ``report.scenarios``.

    Raises:
        LoadtestFailed: there is no report.
        subprocess.TimeoutExpired: the load test did not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="chatws-loadtest-") as folder:
        command = [sys.executable, "-m", "chatws_loadtest", *options, "--quiet", "--report", folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
        if done.returncode not in WITH_REPORT:
            raise LoadtestFailed(done.stderr)
        return read_json((Path(folder) / "report.json").read_bytes())
