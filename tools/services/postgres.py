"""PostgreSQL server with its own data directory, as a child process."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.services.programs import ProgramMissing, ServiceFailed, unused_port

if TYPE_CHECKING:
    from collections.abc import Sequence

INITDB_OPTIONS = ("--username=chat", "--auth=trust", "--no-sync", "--locale=C")
_DEBIAN = Path("/usr/lib/postgresql")
_ACCOUNT = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "deadlock_timeout": "100ms",
    "log_min_messages": "warning",
}
# Data written by a killed process is in the kernel's cache, so only a power failure loses it.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
_STOP_TIMEOUT_S = 60
_START_POLL_S = 0.01
_STATUS_LINE = 7
"""Line of ``postmaster.pid`` with the status of the server; the first one is its process id."""


class PostgresProcess:
    """Server that can be stopped and started again with the same data; ``close`` removes the data."""

    def __init__(self, port: int | None = None, *, durable: bool = False) -> None:
        """Create an empty database cluster.

        Args:
            port: by default an unused one.
            durable: write through to the disk, as in production.

        Raises:
            ProgramMissing: PostgreSQL is not installed.
        """
        self.port = unused_port() if port is None else port
        self._settings = _SETTINGS if durable else _SETTINGS | _NOT_DURABLE
        self._programs = find_postgres()
        self._directory = Path(tempfile.mkdtemp(prefix="chatws-postgres-"))
        self._data = self._directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        # Processes stopped by ``freeze``.
        self._frozen: list[int] = []
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            account = pwd.getpwnam(_ACCOUNT)
            os.chown(self._directory, account.pw_uid, account.pw_gid)
        self._create_cluster()

    @property
    def pid(self) -> int:
        assert self._process is not None, "PostgreSQL is not running"
        return self._process.pid

    def url(self) -> str:
        """Return the URL of the default database."""
        return f"postgresql://chat@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and return once it accepts connections.

        Raises:
            ServiceFailed: the server ended during the start.
        """
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        log_path = self._directory / "log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *settings],
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
                **_as_account(),
            )
        while not self._is_ready():
            if self._process.poll() is not None:
                raise ServiceFailed(f"PostgreSQL did not start:\n{log_path.read_text(errors='replace')[-2_000:]}")
            time.sleep(_START_POLL_S)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT closes connections and writes all data, SIGQUIT leaves the data as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(_STOP_TIMEOUT_S)

    def freeze(self) -> None:
        """Freeze all processes of the server: connections stay open, new ones are accepted, none gets a reply."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        self._frozen = [self.pid, *(int(pid) for pid in children.split())]
        self._signal_frozen(signal.SIGSTOP)

    def unfreeze(self) -> None:
        """Continue after ``freeze``; the main process last, so that it finds the others alive."""
        self._frozen.reverse()
        self._signal_frozen(signal.SIGCONT)
        self._frozen = []

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _create_cluster(self) -> None:
        self._run("initdb", "--pgdata", str(self._data), *INITDB_OPTIONS)

    def _is_ready(self) -> bool:
        """Whether the server has reported in its data directory that it accepts connections.

        To start ``pg_isready`` again and again would take more processor time than the start itself.
        """
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        is_own = lines[:1] == [str(self.pid)]
        return is_own and len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"

    def _signal_frozen(self, number: signal.Signals) -> None:
        for pid in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, cwd=self._directory, capture_output=True, check=False, **_as_account())
        if done.returncode != 0:
            raise ServiceFailed(f"{program} failed:\n{done.stderr.decode(errors='replace')}")


def find_postgres() -> Path:
    """Return the directory of PostgreSQL's programs, which Debian keeps off the PATH.

    Raises:
        ProgramMissing: PostgreSQL is not installed.
    """
    installed: Sequence[Path] = sorted(_DEBIAN.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    path = shutil.which("postgres") or (str(installed[-1]) if installed else None)
    if path is None:
        raise ProgramMissing("postgres is not installed (apt install postgresql)")
    return Path(path).resolve().parent


def _as_account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": _ACCOUNT, "group": _ACCOUNT, "extra_groups": []}
