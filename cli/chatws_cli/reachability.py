"""Errors of connecting: reason and advice for each cause, and a check that a local server listens."""

from __future__ import annotations

import errno
import socket
from urllib.parse import urlsplit

from chatws.client.errors import NO_HTTP_RESPONSE, PLAIN_HTTP
from chatws.exit_codes import ExitCode
from chatws.settings.validation import is_loopback
from chatws_cli.errors import CommandError

_PROBE_TIMEOUT_S = 1.0
_DEFAULT_PORTS = {"http": 80, "https": 443}


def cannot_connect(url: str, reason: str) -> CommandError:
    """Return the error of a failed connection, with advice for its reason."""
    return CommandError(f"cannot connect to {url}", reason, _advice(url, reason), code=ExitCode.CANNOT_CONNECT)


def require_listener(url: str) -> None:
    """Check that a program listens on the port of an address on this machine; other addresses are not contacted.

    Raises:
        CommandError: none does; exit code 3.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 80)
    if not is_loopback(host):
        return
    try:
        socket.create_connection((host, port), timeout=_PROBE_TIMEOUT_S).close()
    except OSError as problem:
        if problem.errno == errno.ECONNREFUSED:
            raise cannot_connect(url, f"nothing listens on {host}:{port}") from problem


def _advice(url: str, reason: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return "if the server's certificate is self-signed, pass it with --ca-file"
    if reason == PLAIN_HTTP:
        return ""
    if reason == NO_HTTP_RESPONSE and url.startswith("http://"):
        return "if it uses TLS, use an address with https://"
    return "is the server running? 'chatws serve' starts one"
