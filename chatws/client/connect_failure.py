"""Description of a failed connection attempt for a person: the cause, without the names of the HTTP library."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import aiohttp

from chatws.client.errors import NO_HTTP_RESPONSE, PLAIN_HTTP

_PLAIN_HTTP_REASONS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
"""Reasons that OpenSSL gives when it reads an HTTP response, or an end, in place of a TLS record."""


def describe_failure(error: BaseException) -> str:
    """Return the cause of a failed connection attempt."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _describe_connector_error(f"{error.host}:{error.port}", error.os_error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return NO_HTTP_RESPONSE
    return str(error) or type(error).__name__


def _describe_connector_error(address: str, cause: OSError) -> str:
    if isinstance(cause, ssl.SSLError):
        return PLAIN_HTTP if cause.reason in _PLAIN_HTTP_REASONS else f"TLS failed: {cause.reason or cause}"
    if isinstance(cause, socket.gaierror):
        return f"the host name of {address} is unknown"
    if cause.errno == errno.ECONNREFUSED:
        return f"nothing listens on {address}"
    if cause.errno is not None and cause.errno > 0:
        return f"{os.strerror(cause.errno)} ({address})"
    return str(cause) or type(cause).__name__
