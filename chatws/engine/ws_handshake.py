"""WebSocket opening handshake, and transfer of the TCP connection from aiohttp to the engine.

The objects aiohttp keeps for an upgraded connection (request, parser, two tasks and a dozen coroutines waiting for each
other) were two thirds of the memory of an idle client: 22 kB with them, 8 kB without.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from chatws.engine.upgrade_request import HttpRequest, UpgradeRequest
from chatws.wire.handshake_key import accept_value

_VERSION = "13"
_KEY_BYTES = 16


class UpgradedResponse(web.StreamResponse):
    """Response of a request that was already answered on the connection; aiohttp only logs it."""

    def __init__(self) -> None:
        super().__init__(status=101)

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Do nothing."""
        del request
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing."""
        del data


class _TrailingBytes:
    """Collector of the bytes behind the request, in place of aiohttp's WebSocket reader."""

    def __init__(self) -> None:
        self.received = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.received += data
        return False, b""

    def feed_eof(self) -> None:
        """Do nothing."""


def handshake_response(request: HttpRequest) -> bytes:
    """Return the response to an upgrade request; extensions and subprotocols are declined (RFC 6455, section 4.2).

    Raises:
        web.HTTPBadRequest: it is not a valid WebSocket handshake.
        ConnectionResetError: the client has disconnected already.
    """
    headers = request.headers
    tokens = ",".join(headers.getall(hdrs.CONNECTION, ())).lower().split(",")
    if "upgrade" not in map(str.strip, tokens) or headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket":
        raise _bad_request("not a WebSocket upgrade")
    if request.version < HttpVersion11 or request.body_exists:
        # The part of a body that has not arrived yet would be parsed as frames.
        raise _bad_request("a WebSocket upgrade is a GET of HTTP/1.1 without a body")
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION) != _VERSION:
        raise _bad_request("unsupported WebSocket version", {hdrs.SEC_WEBSOCKET_VERSION: _VERSION})
    key = headers.get(hdrs.SEC_WEBSOCKET_KEY, "").strip()
    if not _is_key(key):
        raise _bad_request("invalid Sec-WebSocket-Key")
    if request.transport is None or request.transport.is_closing():
        raise ConnectionResetError
    accepted = accept_value(key.encode())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )


def detach_connection(request: HttpRequest, tcp: asyncio.Transport, protocol: asyncio.Protocol) -> bytes:
    """Make ``protocol`` the protocol of a request's connection; return the bytes received behind the request.

    aiohttp handles this like a lost connection: it drops its state as soon as the handler returns ``UpgradedResponse``.
    This uses internals of aiohttp, which ``tests/engine/test_ws_handshake.py`` checks one by one.
    """
    if isinstance(request, UpgradeRequest):
        tcp.set_protocol(protocol)
        return b""
    http_protocol = request.protocol
    trailing = _TrailingBytes()
    # As aiohttp's own WebSocketResponse does; any object with these two methods is accepted.
    http_protocol.set_parser(trailing)  # type: ignore[arg-type]
    tcp.set_protocol(protocol)
    http_protocol.transport = None  # or connection_lost would close it
    http_protocol.connection_lost(None)
    return trailing.received


def _bad_request(text: str, headers: Mapping[str, str] | None = None) -> web.HTTPBadRequest:
    response = web.HTTPBadRequest(text=text, headers=headers)
    response.force_close()
    return response


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
