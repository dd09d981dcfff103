"""Duration of the start of ``chatws``: to its end for short commands, to the first text for a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.common.measurement import BoundedMeasurement
from benchmarks.common.opening import LoadFailed
from benchmarks.common.runner import DATA_DIR_PREFIX
from chatws_loadtest.server_process import ServerUnderTest

_STARTS: Final = 5
_TIMEOUT_S: Final = 30.0
_CHATWS: Final = str(Path(sys.executable).with_name("chatws"))
_ESCAPES: Final = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
_READ_BYTES: Final = 65_536


async def measure_startup() -> list[BoundedMeasurement]:
    """Measure the start of ``chatws --version``, ``chatws --help`` and ``chatws agent``; the fastest of five each.

    Raises:
        ServerStartFailed: the server for the agent did not start.
        LoadFailed: the agent did not show the expected text.
    """
    version_ms = _fastest_ms(lambda: _run("--version"))
    help_ms = _fastest_ms(lambda: _run("--help"))
    with tempfile.TemporaryDirectory(prefix=DATA_DIR_PREFIX) as data_dir:
        server = ServerUnderTest(Path(data_dir), None)
        await server.start()
        arguments = ["agent", "--url", server.url, "--data-dir", data_dir]

        def wait_for(pattern: bytes) -> Callable[[], None]:
            return lambda: _run_until_shown(arguments, re.compile(pattern))

        try:
            paint_ms = await asyncio.to_thread(_fastest_ms, wait_for(b"connecting|connected"))
            inbox_ms = await asyncio.to_thread(_fastest_ms, wait_for(b"waiting for the first one"))
        finally:
            await server.stop()
    return [
        BoundedMeasurement("chatws --version (fastest)", version_ms, "ms", 150),
        BoundedMeasurement("chatws --help (fastest)", help_ms, "ms", 400),
        BoundedMeasurement("chatws agent: first paint (fastest)", paint_ms, "ms", 1_000),
        BoundedMeasurement("chatws agent: inbox shown (fastest)", inbox_ms, "ms", 2_000),
    ]


def _fastest_ms(action: Callable[[], None]) -> float:
    durations_s = []
    for _ in range(_STARTS):
        began = time.perf_counter()
        action()
        durations_s.append(time.perf_counter() - began)
    return min(durations_s) * 1000


def _run(option: str) -> None:
    subprocess.run([_CHATWS, option], env=_environment(), capture_output=True, check=True)


def _run_until_shown(arguments: Sequence[str], pattern: re.Pattern[bytes]) -> None:
    """Run ``chatws`` in a pseudo-terminal until its text matches the pattern, then end it with SIGKILL."""
    terminal, program_end = pty.openpty()
    environment = {**_environment(), "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    child = subprocess.Popen(
        [_CHATWS, *arguments],
        stdin=program_end,
        stdout=program_end,
        stderr=program_end,
        env=environment,
        start_new_session=True,
    )
    try:
        _read_until(terminal, pattern)
    finally:
        child.kill()
        child.wait()
        os.close(program_end)
        os.close(terminal)


def _read_until(terminal: int, pattern: re.Pattern[bytes]) -> None:
    received = b""
    deadline = time.monotonic() + _TIMEOUT_S
    while not pattern.search(_ESCAPES.sub(b"", received)):
        readable, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            raise LoadFailed(f"chatws did not show {pattern.pattern!r} within {_TIMEOUT_S:g} s")
        received += os.read(terminal, _READ_BYTES)


def _environment() -> dict[str, str]:
    """Return this process's environment without settings of chatws and without the size of this terminal."""
    settings = ("CHATWS_", "WEBSOCKET_CORS_ORIGIN")
    size = ("COLUMNS", "LINES")
    return {name: value for name, value in os.environ.items() if not name.startswith(settings) and name not in size}
