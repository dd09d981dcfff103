"""Resolved address of a server."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chatws.client.errors import CannotConnect
from chatws.wire.socketio import MAIN_NAMESPACE

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURE = frozenset({"https", "wss"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of a server, resolved once, so that connecting needs no DNS lookup."""

    host: str
    port: int
    path: str
    """Prefix of `engine_path`, usually empty."""
    family: int
    sockaddr: tuple[object, ...]
    """Socket address of the host, or of a proxy in front of it."""
    tls: ssl.SSLContext | None
    engine_path: str = "/socket.io/"
    query: str = ""
    """Parameters of the URL in addition to Engine.IO's; empty, or with a leading ``&``."""
    headers: tuple[tuple[str, str], ...] = ()
    """Additional HTTP headers."""
    namespace: str = MAIN_NAMESPACE
    confirmation: str = "`authenticated` event"
    """Description of the packet that confirms the credentials."""

    @property
    def authority(self) -> str:
        """Value of the ``Host`` header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{name}:{self.port}"


def resolve_endpoint(url: str, ca_file: Path | None = None, via: tuple[str, int] | None = None) -> Endpoint:
    """Resolve a server's URL; ``ca_file`` contains CA certificates to trust instead of the system's.

    ``via`` is the host and port of a TCP proxy: connections go there, while the ``Host`` header and the name in the
    certificate stay those of the URL.

    Raises:
        CannotConnect: the URL is not an HTTP or WebSocket URL, its host has no address, or ``ca_file`` no certificate.
    """
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise CannotConnect(f"{url} is not the URL of a server")
    try:
        port = parts.port or _PORTS[parts.scheme]
        found = socket.getaddrinfo(*(via or (parts.hostname, port)), type=socket.SOCK_STREAM)
        tls = ssl.create_default_context(cafile=ca_file) if parts.scheme in _SECURE else None
    except (OSError, ValueError) as problem:
        raise CannotConnect(f"{url}: {problem}") from problem
    family, _, _, _, sockaddr = found[0]
    return Endpoint(parts.hostname, port, parts.path.rstrip("/"), family, sockaddr, tls)
