"""nginx with a given configuration, as a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

from tools.services.programs import ServiceFailed, find_program

if TYPE_CHECKING:
    from pathlib import Path

START_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.005

_MAIN = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log notice;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    include {folder}/chatws.conf;
}}
"""


class NginxProcess:
    """nginx that can be killed, frozen, reloaded and started again. Its methods block for milliseconds."""

    def __init__(self, folder: Path, config: str) -> None:
        """Set the working directory, and the configuration that ``chatws proxy-config nginx`` prints.

        Raises:
            ProgramMissing: nginx is not installed.
        """
        self.folder = folder
        self._program = find_program("nginx", "apt install nginx")
        self._config = config
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start nginx and return once it accepts connections.

        Raises:
            ServiceFailed: it ended during the start, or did not start in time.
        """
        # Workers started by root would otherwise run as a user without access to the folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "nginx.conf").write_text(user + _MAIN.format(folder=self.folder))
        self.write_config(self._config)
        before = self.count_logged("start worker process ")
        command = [self._program, "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "error.log")]
        self._child = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        self.wait_logged("start worker process ", before)

    def write_config(self, config: str) -> None:
        """Replace the configuration that the next start or reload reads."""
        (self.folder / "chatws.conf").write_text(config)

    def reload(self) -> None:
        """Reload the configuration; return once the former worker processes accept no more connections."""
        before = self.count_logged("gracefully shutting down")
        self._running.send_signal(signal.SIGHUP)
        self.wait_logged("gracefully shutting down", before)

    def freeze(self) -> None:
        """Freeze all processes: connections stay open and get no reply."""
        os.killpg(self._running.pid, signal.SIGSTOP)

    def unfreeze(self) -> None:
        """Continue after ``freeze``."""
        os.killpg(self._running.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill all processes (SIGKILL) if nginx runs: without its master alone, a worker would go on."""
        if self._child is not None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._child = None

    def stop(self) -> None:
        """Stop nginx at once. Idempotent."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(START_TIMEOUT_S)
            self._child = None

    def log(self) -> str:
        """Return the error log of all starts."""
        path = self.folder / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def count_logged(self, text: str) -> int:
        """Count the occurrences of a text in the error log."""
        return self.log().count(text)

    def wait_logged(self, text: str, before: int) -> None:
        """Wait until a text occurs more than ``before`` times in the error log.

        Raises:
            ServiceFailed: nginx ended, or it took too long.
        """
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.count_logged(text) <= before:
            if self._running.poll() is not None or time.monotonic() > deadline:
                raise ServiceFailed(f"nginx does not log {text!r}:\n{self.log()[-2_000:]}")
            time.sleep(_POLL_S)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._child is not None, "nginx is not running"
        return self._child
