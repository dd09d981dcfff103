"""Checks of command-line options that both commands share: URL, credentials, and reachability of the server."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chatws.client.mapping import GUIDE_MAPPING, MappingError, ServerMapping, read_mapping
from chatws.exit_codes import ExitCode
from chatws.settings.validation import is_loopback
from chatws_loadtest.credentials import Credentials, read_key, read_lines, read_sessions, tls_context
from chatws_loadtest.errors import CommandExit

PROBE_TIMEOUT_S: Final = 5.0
_PORTS: Final = {"http": 80, "https": 443}


def find_credentials(key_file: Path | None, tokens: Path | None, sessions: Path | None) -> Credentials:
    """Read the files that the options name.

    Raises:
        CredentialsMissing: a file cannot be read, or is empty.
    """
    tag = f"lt{os.getpid()}"
    return Credentials(
        keys=None if key_file is None else read_key(key_file),
        tokens=() if tokens is None else read_lines(tokens),
        sessions=() if sessions is None else read_sessions(sessions, tag),
        tag=tag,
    )


def find_mapping(path: Path | None, option: str = "--mapping") -> ServerMapping:
    """Read the mapping file that an option names; without one, return the guide's mapping.

    Raises:
        CommandExit: the file is invalid.
    """
    try:
        return GUIDE_MAPPING if path is None else read_mapping(path)
    except MappingError as problem:
        raise CommandExit(f"{option} {problem}", ExitCode.USAGE) from problem


def check_url(url: str, *, allow_remote: bool) -> None:
    """Refuse an invalid URL and, without ``allow_remote``, a public address, which may belong to a third party.

    Raises:
        CommandExit: the URL is invalid, or names a public address.
    """
    if not _is_http_url(url):
        raise CommandExit(f"{url!r} is not the URL of a server; use for example http://127.0.0.1:3000", ExitCode.USAGE)
    if not allow_remote:
        _refuse_public(url, urlsplit(url).hostname or "")


def is_host_name(host: str) -> bool:
    """Return whether a text can be the name or the address of a host: ``a..b`` cannot, and no look-up accepts it."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def find_port(url: str) -> int:
    """Return the port of a URL, by default that of its scheme."""
    parts = urlsplit(url)
    return parts.port or _PORTS[parts.scheme]


def is_local(url: str) -> bool:
    """Return whether the host of a URL is this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def probe(url: str, ca_file: Path | None = None) -> None:
    """Check that the server accepts connections, with a trusted certificate, before hundreds of users connect.

    Raises:
        CommandExit: it does not, or ``ca_file`` cannot be read.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        tls = tls_context(url, ca_file)
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
            f"{url}: the server does not use TLS ({problem.reason}); try http", ExitCode.CANNOT_CONNECT
        ) from problem
    except OSError as problem:
        raise CommandExit(f"{url}: {problem.strerror or problem}", ExitCode.CANNOT_CONNECT) from problem


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading `port` raises ValueError if it is invalid.
        return parts.scheme in _PORTS and is_host_name(parts.hostname or "") and parts.port != 0
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
