"""Supervisor of several server processes in a subprocess, each server with an in-memory database.

`main` runs the supervisor in a process forked by `tests.support.fork_server`, and prints the URL of each server. The
servers are forked too: each would spend a second of processor time on imports. ``tests/cluster/test_workers.py``
executes their program.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import msgspec

from chatws.server import StartError, run_workers
from chatws.server.workers import __main__ as server_program
from chatws.server.workers import worker
from chatws.settings import Settings
from tests.support.output import OutputLines
from tests.support.preloaded import PreloadedProcess
from tests.support.server import END_TIMEOUT_S, START_TIMEOUT_S, environment_of_children

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "tests.support.workers"

MAX_STREAM = 2
INITIAL_BACKOFF_S = 0.01
MAX_FAILURES = 3
"""Smaller than the real limits, so that a test of repeated failures is short."""


class SupervisorProcess:
    """Supervisor in a session of its own, so that a test can send it the signals of a terminal."""

    def __init__(self, data_dir: Path, count: int, **settings: object) -> None:
        all_settings = {"workers": count, "port": 0, "database_url": "sqlite://", "data_dir": str(data_dir), **settings}
        pipes = [os.pipe(), os.pipe()]
        self.stdout, self.log = (OutputLines(os.fdopen(end, encoding="utf-8")) for end, _ in pipes)
        with Path(os.devnull).open("rb") as stdin:
            streams = [stdin.fileno(), *(end for _, end in pipes)]
            arguments = [PROGRAM, msgspec.json.encode(all_settings).decode()]
            self._child = PreloadedProcess(arguments, streams, environment_of_children())
        for _, end in pipes:
            os.close(end)

    @property
    def pid(self) -> int:
        return self._child.pid

    def urls(self) -> list[str]:
        """Wait until all servers listen and have been logged, and return their URLs."""
        urls = self.stdout.wait_for(r"^listening on (.+)$", START_TIMEOUT_S)[1].split()
        for number in range(1, len(urls) + 1):
            self.log.wait_for(f"server_listening server={number} ", START_TIMEOUT_S)
        return urls

    def pids(self) -> dict[int, int]:
        """Return the last logged process id of each server, by its number."""
        pids = {}
        for line in self.log.lines:
            if "server_listening" in line:
                keys = dict(word.split("=", 1) for word in line.split() if "=" in word)
                pids[int(keys["server"])] = int(keys["pid"])
        return pids

    def send(self, number: signal.Signals, *, to_group: bool = False) -> None:
        if to_group:
            os.killpg(self._child.pid, number)
        else:
            self._child.send_signal(number)

    def wait_end(self) -> int:
        """Wait until the supervisor has exited and return its exit code."""
        code = self._child.wait(END_TIMEOUT_S)
        self.stdout.join()
        return code

    def stop(self) -> None:
        """Kill the remaining processes at the end of a test."""
        self._child.kill()
        self._child.wait()
        for pid in self.pids().values():
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], failure: str, timeout_s: float = END_TIMEOUT_S) -> None:
    """Poll a condition until it is true.

    Raises:
        AssertionError: it stays false until the timeout; ``failure`` is the message.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(0.02)


def is_healthy(url: str) -> bool:
    """Whether a server responds to ``/health`` with 200."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as response:  # noqa: S310 - a URL of our own
            return bool(response.status == 200)
    except OSError:
        return False


def main() -> NoReturn:
    """Run the supervisor with the settings of the last argument, in a session of its own."""
    os.setsid()
    settings = msgspec.json.decode(sys.argv[-1], type=Settings, dec_hook=lambda _kind, text: Path(text))
    worker.INITIAL_BACKOFF_S, worker.MAX_FAILURES = INITIAL_BACKOFF_S, MAX_FAILURES
    # The function is called in the new process in place of an execution, with its streams and its process group.
    execute = asyncio.create_subprocess_exec
    asyncio.create_subprocess_exec = partial(execute, preexec_fn=_serve)
    try:
        code = run_workers(settings, lambda urls: _write(sys.stdout, f"listening on {' '.join(urls)}"))
    except StartError as problem:
        _write(sys.stderr, str(problem))
        code = 1
    sys.exit(code)


def _serve() -> NoReturn:
    """Run a server in the process that was forked for it, and end this process."""
    code = 1
    try:
        os.closerange(MAX_STREAM + 1, os.sysconf("SC_OPEN_MAX"))
        # Of the supervisor: its event loop and its signal handlers.
        asyncio._set_running_loop(None)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        code = server_program.main()
    finally:
        os._exit(code)


def _write(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()
