"""Real nginx with the configuration printed by ``chatws proxy-config nginx``."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from tests.support.commands import run_chatws
from tests.support.output import OutputLines
from tests.support.ports import free_port
from tests.support.tools import require_tool

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from tests.support.certificate import Certificate

TIMEOUT_S = 30.0

_MAIN = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr notice;
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


class Nginx:
    """nginx on a free port, in front of servers given by their URLs. Its methods block for milliseconds."""

    def __init__(self, folder: Path, servers: Sequence[str], certificate: Certificate | None = None) -> None:
        self._program = require_tool("nginx", "apt install nginx")
        self._folder = folder
        self._port = free_port()
        self._scheme = "https" if certificate else "http"
        options = [word for url in servers for word in ("--upstream", url)]
        if certificate is not None:
            options += ["--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key)]
        done = run_chatws("proxy-config", "nginx", "--listen", f"127.0.0.1:{self._port}", *options)
        assert done.returncode == 0, done.stderr
        self._text = done.stdout
        self._child: subprocess.Popen[str] | None = None
        self._log: OutputLines | None = None

    @property
    def url(self) -> str:
        return f"{self._scheme}://localhost:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    def access_log(self) -> str:
        return (self._folder / "access.log").read_text()

    def start(self) -> None:
        """Start nginx and return once it accepts connections."""
        # Workers started by root would otherwise run as a user without access to the test's folder.
        user = "user root;\n" if os.geteuid() == 0 else ""
        self._folder.mkdir(exist_ok=True)
        (self._folder / "nginx.conf").write_text(user + _MAIN.format(folder=self._folder))
        self._write(())
        command = [self._program, "-c", str(self._folder / "nginx.conf"), "-e", "stderr"]
        self._child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._child.stderr is not None
        self._log = OutputLines(self._child.stderr)
        self._log.wait_for("start worker process ", TIMEOUT_S)

    def set_down(self, *servers: str) -> None:
        """Mark exactly these servers as ``down``, as the comments of the file describe, and reload."""
        assert self._child is not None
        assert self._log is not None
        self._write([url.partition("://")[2] for url in servers])
        before = self._retired_workers()
        self._child.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + TIMEOUT_S
        while self._retired_workers() == before:
            assert time.monotonic() < deadline, self._log.text
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop nginx at once. Idempotent."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(TIMEOUT_S)
            assert self._log is not None
            self._log.join()
            self._child = None

    def _retired_workers(self) -> int:
        """Count the worker processes that reloads have retired: they accept no more connections."""
        assert self._log is not None
        return self._log.text.count("gracefully shutting down")

    def _write(self, down: Collection[str]) -> None:
        text = self._text
        for address in down:
            marked = text.replace(f"server {address} ", f"server {address} down ")
            assert marked.count(" down ") == text.count(" down ") + 2
            text = marked
        (self._folder / "chatws.conf").write_text(text)
