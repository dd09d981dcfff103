"""Real nginx with the configuration printed by ``chatws proxy-config nginx``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.commands import run_chatws
from tests.support.ports import free_port
from tests.support.tools import skip_if_missing
from tools.services.nginx import NginxProcess

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.certificate import Certificate


class Nginx(NginxProcess):
    """nginx on a free port, in front of servers given by their URLs. Its methods block for milliseconds."""

    def __init__(self, folder: Path, servers: Sequence[str], certificate: Certificate | None = None) -> None:
        self.port = free_port()
        self._scheme = "https" if certificate else "http"
        options = [word for url in servers for word in ("--upstream", url)]
        if certificate is not None:
            options += ["--tls-cert", str(certificate.cert), "--tls-key", str(certificate.key)]
        done = run_chatws("proxy-config", "nginx", "--listen", f"127.0.0.1:{self.port}", *options)
        assert done.returncode == 0, done.stderr
        self._text = done.stdout
        with skip_if_missing():
            super().__init__(folder, done.stdout)

    @property
    def url(self) -> str:
        return f"{self._scheme}://localhost:{self.port}"

    def access_log(self) -> str:
        return (self.folder / "access.log").read_text()

    def set_down(self, *servers: str) -> None:
        """Mark exactly these servers as ``down``, as the comments of the file describe, and reload."""
        text = self._text
        for url in servers:
            address = url.partition("://")[2]
            marked = text.replace(f"server {address} ", f"server {address} down ")
            assert marked.count(" down ") == text.count(" down ") + 2
            text = marked
        self.write_config(text)
        self.reload()
