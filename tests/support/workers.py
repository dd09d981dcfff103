"""Supervisor of several server processes in a subprocess, each server with an in-memory database.

``python -m tests.support.workers SETTINGS_JSON`` runs the supervisor and prints the URL of each server.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec

from chatws.server import StartError, run_workers
from chatws.server.workers import worker
from chatws.settings import Settings
from tests.support.output import OutputLines
from tests.support.server import END_TIMEOUT_S, START_TIMEOUT_S, environment_of_children

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent.parent
INITIAL_BACKOFF_S = 0.01
MAX_FAILURES = 3
"""Smaller than the real limits, so that a test of repeated failures is short."""


class SupervisorProcess:
    """Supervisor in a session of its own, so that a test can send it the signals of a terminal."""

    def __init__(self, data_dir: Path, count: int, **settings: object) -> None:
        all_settings = {"workers": count, "port": 0, "database_url": "sqlite://", "data_dir": str(data_dir), **settings}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.support.workers", msgspec.json.encode(all_settings).decode()],
            cwd=ROOT,
            env=environment_of_children(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        self.stdout, self.log = OutputLines(self._child.stdout), OutputLines(self._child.stderr)

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
        if self._child.poll() is None:
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


def main() -> int:
    settings = msgspec.json.decode(sys.argv[1], type=Settings, dec_hook=lambda _kind, text: Path(text))
    worker.INITIAL_BACKOFF_S, worker.MAX_FAILURES = INITIAL_BACKOFF_S, MAX_FAILURES
    try:
        return run_workers(settings, lambda urls: _write(sys.stdout, f"listening on {' '.join(urls)}"))
    except StartError as problem:
        _write(sys.stderr, str(problem))
        return 1


def _write(stream: TextIO, line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
