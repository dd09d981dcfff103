"""From HTTP to WebSocket: the handshake, and the connection taken out of aiohttp's hands.

What aiohttp keeps for a connection that is upgraded (request, parser, two tasks and a dozen coroutines that wait for
each other) was two thirds of what an idle client costs: 22 kB with it, 8 kB without.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"
_KEY_BYTES = 16


class UpgradedResponse(web.StreamResponse):
    """What a handler gives back whose request has been answered already; aiohttp has nothing to do but log it."""

    def __init__(self) -> None:
        super().__init__(status=101)

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Do nothing."""
        del request
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing."""
        del data


class _Rest:
    """Takes what came behind the request, in the place of aiohttp's reader of frames."""

    def __init__(self) -> None:
        self.received = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.received += data
        return False, b""

    def feed_eof(self) -> None:
        """Nothing comes behind it."""


def answer_handshake(request: web.Request) -> bytes:
    """Write the answer to an upgrade request; extensions and subprotocols are not taken up (RFC 6455, section 4.2).

    Raises:
        web.HTTPBadRequest: it is not a valid WebSocket handshake.
    """
    headers = request.headers
    tokens = ",".join(headers.getall(hdrs.CONNECTION, ())).lower().split(",")
    if "upgrade" not in map(str.strip, tokens) or headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket":
        raise _refusal("not a WebSocket upgrade")
    if request.version < HttpVersion11 or request.body_exists:
        # What of a body has not come yet would be taken for frames.
        raise _refusal("a WebSocket upgrade is a GET of HTTP/1.1 without a body")
    if headers.get(hdrs.SEC_WEBSOCKET_VERSION) != _VERSION:
        raise _refusal("unsupported WebSocket version", {hdrs.SEC_WEBSOCKET_VERSION: _VERSION})
    key = headers.get(hdrs.SEC_WEBSOCKET_KEY, "").strip()
    if not _is_key(key):
        raise _refusal("invalid Sec-WebSocket-Key")
    accepted = base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )


def take_over(request: web.Request, transport: asyncio.Transport, protocol: asyncio.Protocol) -> bytes:
    """Let ``protocol`` have the connection of a request and give what the client has sent behind it.

    aiohttp believes that the connection was lost, and drops what it has of it as soon as the handler returns, which
    gives back ``UpgradedResponse``.
    """
    old = request.protocol
    rest = _Rest()
    # The seam that aiohttp's own WebSocket uses; it takes anything that has these two methods.
    old.set_parser(rest)  # type: ignore[arg-type]
    transport.set_protocol(protocol)
    old.transport = None  # or it would be closed
    old.connection_lost(None)
    return rest.received


def _refusal(text: str, headers: Mapping[str, str] | None = None) -> web.HTTPBadRequest:
    refusal = web.HTTPBadRequest(text=text, headers=headers)
    refusal.force_close()
    return refusal


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False
