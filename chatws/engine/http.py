"""HTTP requests of Engine.IO: validation, and error responses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import msgspec
from aiohttp import hdrs, web

from chatws.engine.admission import AdmissionRefused
from chatws.engine.events import Handshake
from chatws.engine.options import EngineOptions
from chatws.engine.origin import TrustedProxies, is_secure, peer_address
from chatws.engine.upgrade_request import HttpRequest

_PROTOCOL_REVISION = "4"
MAX_HEADER_CHARS = 256
"""Longer header values are cut before they are stored or logged."""


class BadRequest(IntEnum):
    """Error codes of Engine.IO."""

    TRANSPORT_UNKNOWN = 0
    SESSION_UNKNOWN = 1
    BAD_METHOD = 2
    BAD_REQUEST = 3
    FORBIDDEN = 4
    UNSUPPORTED_PROTOCOL = 5


_TEXTS: Mapping[BadRequest, str] = {
    BadRequest.TRANSPORT_UNKNOWN: "Transport unknown",
    BadRequest.SESSION_UNKNOWN: "Session ID unknown",
    BadRequest.BAD_METHOD: "Bad handshake method",
    BadRequest.BAD_REQUEST: "Bad request",
    BadRequest.FORBIDDEN: "Forbidden",
    BadRequest.UNSUPPORTED_PROTOCOL: "Unsupported protocol version",
}


class EngineRequest(NamedTuple):
    """Validated query and method of a request."""

    transport: str
    sid: str | None
    method: str


class RequestError(Exception):
    """Request that gets an error response of Engine.IO."""

    def __init__(self, error: BadRequest, status: int = 400) -> None:
        super().__init__(error, status)
        self.error = error
        self.status = status


def parse_request(request: HttpRequest, options: EngineOptions) -> EngineRequest:
    """Validate method and query parameters.

    Raises:
        RequestError: a parameter is missing, unknown or not supported (JSONP among them).
    """
    query = request.query
    transport = query.get("transport", "")
    if transport not in options.transports:
        raise RequestError(BadRequest.TRANSPORT_UNKNOWN)
    if query.get("EIO") != _PROTOCOL_REVISION:
        raise RequestError(BadRequest.UNSUPPORTED_PROTOCOL)
    if "j" in query:
        raise RequestError(BadRequest.BAD_REQUEST)
    wants_upgrade = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
    if wants_upgrade is not (transport == "websocket"):
        raise RequestError(BadRequest.BAD_REQUEST)
    sid = query.get("sid")
    methods = ("GET", "POST") if sid is not None and transport == "polling" else ("GET",)
    if request.method not in methods:
        raise RequestError(BadRequest.BAD_METHOD)
    return EngineRequest(transport, sid, request.method)


def read_handshake(request: HttpRequest, trusted: TrustedProxies) -> Handshake:
    """Return the address, headers and encryption of the request that opens a session."""
    kept: dict[str, str] = {
        name.lower(): request.headers[name][:MAX_HEADER_CHARS]
        for name in (hdrs.ORIGIN, hdrs.USER_AGENT)
        if name in request.headers
    }
    return Handshake(peer_address(request, trusted), kept, is_secure(request, trusted), time.time())


def error_response(failure: RequestError, headers: Mapping[str, str]) -> web.Response:
    """Return an error in Engine.IO's format: ``{"code", "message"}``."""
    body = msgspec.json.encode({"code": failure.error.value, "message": _TEXTS[failure.error]})
    return web.Response(status=failure.status, body=body, content_type="application/json", headers=headers)


def refused_response(refused: AdmissionRefused, headers: Mapping[str, str]) -> web.Response:
    """Return 503 with the time after which the client may retry."""
    retry_after: dict[str, str] = {hdrs.RETRY_AFTER: str(refused.retry_after_s)}
    body = msgspec.json.encode({"code": refused.reason, "message": "Service unavailable"})
    return web.Response(status=503, body=body, content_type="application/json", headers={**headers, **retry_after})
