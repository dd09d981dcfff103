"""What the commands of this package share: exit codes, how they stop, credentials, addresses they may load."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chatws_loadtest.credentials import Credentials, read_key, read_lines, read_sessions
from chatws_loadtest.errors import CommandExit, ExitCode

PROBE_TIMEOUT_S: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}


def find_credentials(key_file: Path | None, tokens: Path | None, sessions: Path | None) -> Credentials:
    """Read what the options name.

    Raises:
        PeopleMissing: a file cannot be read.
    """
    tag = f"lt{os.getpid()}"
    return Credentials(
        keys=None if key_file is None else read_key(key_file),
        tokens=() if tokens is None else read_lines(tokens),
        sessions=() if sessions is None else read_sessions(sessions, tag),
        tag=tag,
    )


def check_address(url: str, *, allow_remote: bool) -> None:
    """Refuse what is no address and, without leave, machines that are probably somebody else's.

    Raises:
        CommandExit: the address is public, or none.
    """
    if not _is_address(url):
        raise CommandExit(f"{url!r} is no address of a server; write for example http://127.0.0.1:3000", ExitCode.USAGE)
    if not allow_remote:
        _refuse_public(url, urlsplit(url).hostname or "")


def find_port(url: str) -> int:
    """Give a URL's port, or its scheme's."""
    parts = urlsplit(url)
    return parts.port or _PORTS[parts.scheme]


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def probe(url: str, ca_file: Path | None = None) -> None:
    """Find out whether anybody listens, and can be trusted, before hundreds ask.

    Raises:
        CommandExit: nobody does, or ``ca_file`` cannot be read.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        tls = ssl.create_default_context(cafile=ca_file)
    except OSError as problem:
        raise CommandExit(f"--ca-file {ca_file} cannot be used: {problem.strerror}", ExitCode.USAGE) from problem
    try:
        with socket.create_connection((host, find_port(url)), PROBE_TIMEOUT_S) as plain:
            if parts.scheme == "https":
                tls.wrap_socket(plain, server_hostname=host).close()
    except ssl.SSLCertVerificationError as problem:
        advice = "if the certificate is your own, name it with --ca-file"
        raise CommandExit(f"{url}: {problem.verify_message}; {advice}", ExitCode.CANNOT_CONNECT) from problem
    except ssl.SSLError as problem:
        raise CommandExit(
            f"{url}: there is no TLS ({problem.reason}); is it http?", ExitCode.CANNOT_CONNECT
        ) from problem
    except OSError as problem:
        raise CommandExit(f"{url}: {problem.strerror or problem}", ExitCode.CANNOT_CONNECT) from problem


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Only who reads the port is told that it is none.
        return parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _refuse_public(url: str, host: str) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as problem:
        raise CommandExit(f"{url}: {problem.strerror}", ExitCode.CANNOT_CONNECT) from problem
    addresses = {ipaddress.ip_address(str(row[4][0])) for row in found}
    public = [str(address) for address in addresses if not address.is_private]
    if public:
        raise CommandExit(
            f"{host} is {public[0]}, which is not private; if you may load it, add --allow-remote", ExitCode.USAGE
        )
